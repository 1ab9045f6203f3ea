"""One process tree: run, read, watched, and killed whole when it oversteps."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from srft_assets.sandbox.model import Completed, Limits
from srft_assets.sandbox.output import CutOutput
from srft_assets.sandbox.slots import Slot
from srft_assets.sandbox.watch import Watch, process_tree

LOOK_SECONDS = 0.02
GRACE_SECONDS = 5.0
KILLED = 128 + signal.SIGKILL
OUT_OF_TIME = "out of time"


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished process. `stopped` is why it was killed, None where it ended by itself."""

    completed: Completed
    stopped: str | None


def run_bounded(
    argv: Sequence[str],
    *,
    limits: Limits,
    workdir: Path,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
    slot: Slot | None = None,
) -> Ended:
    """Run `argv` in `workdir`, in a session of its own, until it ends or oversteps `limits`.

    With a `slot` the kernel keeps `limits.processes`, and a tree that met that bound counts as
    killed for it. Safe to call from many threads. Raises OSError where the program cannot be
    started.
    """
    began = time.monotonic()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=workdir,
            env=dict(env),
            pass_fds=pass_fds,
            start_new_session=True,
        )

    process = slot.start(start, limits.processes) if slot else start()
    output = CutOutput(limits.output_bytes)
    watch = Watch(process.pid, workdir, limits, slot)
    try:
        stopped = _follow(process, output, watch, began) or watch.refused()
    finally:
        _kill(process, limits)
    _drain(process, output)
    timed_out = stopped == OUT_OF_TIME
    note = "" if stopped is None or timed_out else f"\n[killed: {stopped}]\n"
    completed = Completed(
        returncode=_code(process.returncode, stopped),
        output=output.text() + note,
        timed_out=timed_out,
        seconds=time.monotonic() - began,
    )
    return Ended(completed, stopped)


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
            if handle in ready:
                chunk = os.read(handle, 65536)
                output.feed(chunk)
                if not chunk:
                    poll.unregister(handle)
            if ending in ready:
                return None
        return OUT_OF_TIME
    finally:
        os.close(ending)


def _kill(process: subprocess.Popen[bytes], limits: Limits) -> None:
    """Kill the tree and the process group, and reap. A pid namespace dies with its parent."""
    descendants = list(islice(process_tree(process.pid), 1, 2 * limits.processes))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in descendants:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _drain(process: subprocess.Popen[bytes], output: CutOutput) -> None:
    """Take what is left in the pipe; a process that escaped the kill cannot hold us up."""
    assert process.stdout is not None
    handle = process.stdout.fileno()
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := deadline - time.monotonic()) > 0 and poll.poll(left * 1000):
        chunk = os.read(handle, 65536)
        if not chunk:
            break
        output.feed(chunk)
    process.stdout.close()


def _code(returncode: int, stopped: str | None) -> int:
    if stopped is not None:
        return -1 if stopped == OUT_OF_TIME else KILLED
    return 128 - returncode if returncode < 0 else returncode
