"""One process tree: run, read, watched, and killed whole when it oversteps."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from srft_assets.sandbox.cgroups import Cgroup
from srft_assets.sandbox.model import Completed, Limits
from srft_assets.sandbox.shell import leave_session_keyring

LOOK_SECONDS = 0.02
GRACE_SECONDS = 5.0
KILLED = 128 + signal.SIGKILL
OUT_OF_TIME = "out of time"
UNSEEN = ("/usr/bin/env", "-u", "PWD", "-u", "OLDPWD", "-u", "SHLVL", "-u", "_")
"""Takes out what the shell of a cgroup adds to the environment: paths of this machine."""
PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1024 * 1024


class CutOutput:
    """Keeps `limit` bytes of a stream: `tail` of its end, by default half, and its start."""

    def __init__(self, limit: int, tail: int | None = None) -> None:
        self._tail_room = limit // 2 if tail is None else tail
        self._head_room = limit - self._tail_room
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        take = self._head_room - len(self._head)
        self._head += chunk[:take]
        self._tail += chunk[take:]
        # Trimming at twice the room keeps the cost of each byte constant.
        if len(self._tail) > 2 * self._tail_room:
            self._trim()

    def read(self, handle: int) -> bool:
        """Take what can be read; whether there may be more."""
        chunk = os.read(handle, 65536)
        self.feed(chunk)
        return bool(chunk)

    def text(self) -> str:
        """What was kept; a cut is marked on a line of its own. Bad UTF-8 becomes U+FFFD."""
        self._trim()
        head, tail = bytes(self._head), bytes(self._tail)
        if not self._dropped:
            return (head + tail).decode("utf-8", "replace")
        mark = f"\n[... {self._dropped} bytes cut ...]\n"
        return head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")

    def _trim(self) -> None:
        surplus = len(self._tail) - self._tail_room
        if surplus > 0:
            del self._tail[:surplus]
            self._dropped += surplus


@dataclass(slots=True)
class Watch:
    """Looks at a process tree and its folder; `exceeded` is called some times a second.

    Address space is counted by process and file size by file: this bounds the sums. Between two
    looks a command can overshoot, and memory that no process has mapped is not seen. The number of
    processes and all memory are kept by the kernel where there is a `cgroup`, and the number also
    where RLIMIT_NPROC binds; for root without one it is only watched, and a doubling fork bomb can
    take the machine's process ids for a moment before it is killed.
    """

    root_pid: int
    workdir: Path | None
    """The folder whose growth is bounded; None where its file system is."""
    limits: Limits
    cgroup: Cgroup | None = None
    _began: float = 0.0
    _free: int = 0
    _refusals: int = 0
    _kills: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """What is looked at counts from now on."""
        self._began = time.time()
        self._free = _free_bytes(self.workdir) if self.workdir else 0
        if self.cgroup:
            self._refusals, self._kills = self.cgroup.refusals(), self.cgroup.out_of_memory()

    def exceeded(self) -> str | None:
        """Why the tree must be killed, or None."""
        if reason := self.refused():
            return reason
        memory = 0
        for processes, pid in enumerate(process_tree(self.root_pid), start=1):
            memory += _resident(pid)
            if processes > self.limits.processes:
                return self._too_many
        if memory > self.limits.all_memory_mb * MB:
            return self._too_much
        return self._overgrown(self.workdir) if self.workdir else None

    def _overgrown(self, folder: Path) -> str | None:
        allowed = self.limits.disk_mb * MB
        # Walking the folder is dear: only when the disk as a whole lost that much.
        if self._free - _free_bytes(folder) > allowed and self._written(folder) > allowed:
            return f"more than {self.limits.disk_mb} MB written to the working folder"
        return None

    def refused(self) -> str | None:
        """Why the tree counts as killed where the kernel refused it something, else None."""
        if self.cgroup and self.cgroup.refusals() > self._refusals:
            return self._too_many
        killed = self.cgroup is not None and self.cgroup.out_of_memory() > self._kills
        return self._too_much if killed else None

    @property
    def _too_many(self) -> str:
        return f"more than {self.limits.processes} processes"

    @property
    def _too_much(self) -> str:
        return f"more than {self.limits.all_memory_mb} MB of memory"

    def _written(self, folder: Path) -> int:
        """Bytes on disk of the files changed since the command began."""
        return sum(stat.st_blocks * 512 for stat in _stats(folder) if stat.st_ctime >= self._began)


def process_tree(root_pid: int) -> Iterator[int]:
    """A process and its descendants, as far as they still live. Needs Linux' /proc."""
    waiting = [root_pid]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(children(pid))


def children(pid: int) -> list[int]:
    """The processes that its threads started and that still live."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _free_bytes(folder: Path) -> int:
    figures = os.statvfs(folder)
    return figures.f_bfree * figures.f_frsize


def _stats(folder: Path) -> Iterator[os.stat_result]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(f"{place}/{name}")
            except OSError:
                continue


def run_bounded(
    argv: Sequence[str],
    *,
    limits: Limits,
    workdir: Path,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
    cgroup: Cgroup | None = None,
) -> Completed:
    """Run `argv` in `workdir`, in a session of its own, until it ends or oversteps `limits`.

    With a `cgroup` the kernel keeps the processes and the memory of `limits`, and a tree that met
    such a bound counts as killed for it. Safe to call from many threads. Raises OSError where the
    program cannot be started.
    """
    began = time.monotonic()
    words = [*(UNSEEN if cgroup else ()), *argv]
    process = start(words, cgroup, cwd=workdir, env=env, pass_fds=pass_fds)
    output = CutOutput(limits.output_bytes)
    watch = Watch(process.pid, workdir, limits, cgroup)
    try:
        stopped = _follow(process, output, watch, began) or watch.refused()
    finally:
        kill(process, limits)
    _drain(process, output)
    code = process.returncode
    return completed(128 - code if code < 0 else code, output, stopped, began)


def completed(code: int, output: CutOutput, stopped: str | None, began: float) -> Completed:
    """The result of a command; one that was killed (`stopped`) has the code of that."""
    late = stopped == OUT_OF_TIME
    if stopped is not None:
        code = -1 if late else KILLED
    note = "" if stopped is None or late else f"\n[killed: {stopped}]\n"
    return Completed(code, output.text() + note, late, time.monotonic() - began, stopped)


def start(
    argv: Sequence[str],
    cgroup: Cgroup | None,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] = {},
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """A program in a session of its own, with a keyring of its own, in the `cgroup`. Raises OSError
    where it cannot be started."""
    leave_session_keyring()
    return subprocess.Popen(
        [*(cgroup.entering() if cgroup else ()), *argv],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=dict(env),
        pass_fds=pass_fds,
        start_new_session=True,
    )


def _follow(
    process: subprocess.Popen[bytes], output: CutOutput, watch: Watch, began: float
) -> str | None:
    """Read until the process itself ends; a child that keeps the pipe open is not waited for."""
    assert process.stdout is not None
    handle, ending = process.stdout.fileno(), os.pidfd_open(process.pid)
    deadline = began + watch.limits.wall_seconds
    look = began + LOOK_SECONDS
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(ending, select.POLLIN)
    try:
        while (now := time.monotonic()) < deadline:
            if now >= look:
                if reason := watch.exceeded():
                    return reason
                look = time.monotonic() + LOOK_SECONDS
            ready = {fd for fd, _ in poll.poll(max(0.0, min(look, deadline) - now) * 1000)}
            if handle in ready and not output.read(handle):
                poll.unregister(handle)
            if ending in ready:
                return None
        return OUT_OF_TIME
    finally:
        os.close(ending)


def kill(process: subprocess.Popen[bytes], limits: Limits) -> None:
    """Kill the tree and the process group, and reap. A pid namespace dies with its parent.

    Does nothing where it was reaped before: its id may be another's by now.
    """
    if process.returncode is not None:
        return
    descendants = list(islice(process_tree(process.pid), 1, 2 * limits.processes))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    kill_each(descendants)
    process.wait()


def kill_each(pids: Iterable[int]) -> None:
    """SIGKILL; those that are gone are no failure."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _drain(process: subprocess.Popen[bytes], output: CutOutput) -> None:
    """Take what is left in the pipe; a process that escaped the kill cannot hold us up."""
    assert process.stdout is not None
    handle = process.stdout.fileno()
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := deadline - time.monotonic()) > 0 and poll.poll(left * 1000):
        if not output.read(handle):
            break
    process.stdout.close()
