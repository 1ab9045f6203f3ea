"""One sandbox for all commands of a run, so that its bounds are the run's and not the command's."""

import os
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from srft_assets.sandbox.model import Completed, Limits, SandboxError, ShellSandbox
from srft_assets.sandbox.process import (
    KILLED,
    LOOK_SECONDS,
    OUT_OF_TIME,
    CutOutput,
    Watch,
    children,
    completed,
    kill,
    kill_each,
)
from srft_assets.sandbox.shell import SYSTEM_PATH

START_SECONDS = 120.0
ENDING_SECONDS = 5.0
"""For so long the processes of a command may take to die; then the whole sandbox is killed."""
GONE = "the sandbox of this run has ended"
AGENT = """\
trap '' INT
tar -xpf - -C /testbed <&{files} && cd /testbed || exit
exec {files}<&- 2>/dev/null
echo ready >&{status}
while IFS= read -r -d '' variables && IFS= read -r -d '' command; do
  (trap - INT; eval "$variables" >/dev/null
   exec /bin/bash -c "$command") </dev/null 2>&1 {status}>&-
  code=$?
  kill -9 -1
  chmod u+rwx /testbed
  echo $code >&{status}
done
"""
"""Process 1 of the sandbox. It fills the folder, then runs commands one after the other and kills
what each has left; nothing inside can kill it."""


class Session(ShellSandbox):
    """Commands sent through a pipe into a sandbox that holds a copy of a folder.

    Of `Limits` time and output are those of a command, all others hold for the commands together. A
    command that oversteps a bound is killed with all that it started. Whatever a command does,
    `run` gives a result; once the sandbox has ended, so has every command.
    """

    name = "bubblewrap"

    def __init__(self, process: subprocess.Popen[bytes], status: int, watch: Watch) -> None:
        """`status`: a handle on which the agent says `ready`, then an exit code a command."""
        self.limits = watch.limits
        self._process = process
        self._watch = watch
        self._status = os.fdopen(status, "rb", buffering=0)
        self._rest = b""
        self._ending = os.pidfd_open(process.pid)
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)

    def begin(self) -> None:
        """Wait until the folder is filled. Raises SandboxError, with what was said."""
        output = CutOutput(4096)
        said, stopped = self._follow(output, time.monotonic() + START_SECONDS)
        if said != b"ready":
            told = " ".join(output.text().split())[-300:] or stopped
            raise SandboxError(f"the sandbox did not start: {told}")

    def _run(self, command: str, folder: Path, limits: Limits, env: Mapping[str, str]) -> Completed:
        stated = (shlex.quote(f"{name}={value}") for name, value in env.items())
        exports = " ".join(["export", *stated])
        output = CutOutput(limits.output_bytes)
        began = time.monotonic()
        self._watch.start()
        said, stopped = None, GONE
        if self._send(f"{exports}\0{command}\0", began + limits.wall_seconds):
            said, stopped = self._follow(output, began + limits.wall_seconds)
            stopped = stopped or self._watch.refused() or ""
        # A command could write to the agent's pipe: that decides on nothing but its own result.
        code = int(said) % 256 if said and len(said) < 4 and said.isdigit() else KILLED
        return completed(code, output, stopped or None, began)

    def end(self) -> None:
        """Kill all that runs in it."""
        kill(self._process, self._watch.limits)
        os.close(self._ending)
        self._status.close()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            # What was not read by an agent that is gone cannot be flushed either.
            with suppress(OSError):
                pipe.close()

    def _send(self, text: str, deadline: float) -> bool:
        """Whether the agent was there to be told; one that does not listen is ended."""
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        left = memoryview(text.encode("utf-8", "surrogateescape"))
        poll = select.poll()
        poll.register(pipe, select.POLLOUT)
        poll.register(self._ending, select.POLLIN)
        while left:
            ready = {fd for fd, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
            if pipe not in ready or self._ending in ready:
                self._end_command(whole=True)
                return False
            try:
                left = left[os.write(pipe, left) :]
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def _follow(self, output: CutOutput, deadline: float) -> tuple[bytes | None, str]:
        """Read until the agent's next word; the word, and why the command was killed, if it was."""
        assert self._process.stdout is not None
        handle, stopped, last = self._process.stdout.fileno(), "", float("inf")
        poll = select.poll()
        for one in (handle, self._status.fileno(), self._ending):
            poll.register(one, select.POLLIN)
        look = time.monotonic() + LOOK_SECONDS
        said = None
        while said is None:
            ready = {fd for fd, _ in poll.poll(max(0.0, look - time.monotonic()) * 1000)}
            if handle in ready and not output.read(handle):
                poll.unregister(handle)
            if self._status.fileno() in ready:
                said, more = self._word()
                if not more:
                    poll.unregister(self._status)
            if said is None and self._ending in ready:
                stopped = stopped or GONE
                break
            now = time.monotonic()
            if now >= look or now >= deadline:
                look = now + LOOK_SECONDS
                late = OUT_OF_TIME if now >= deadline else ""
                reason = "" if stopped else late or self._watch.exceeded() or ""
                if reason:
                    stopped, last = reason, now + ENDING_SECONDS
                if stopped:
                    self._end_command(now > last)
        left = select.poll()
        left.register(handle, select.POLLIN)
        while left.poll(0) and output.read(handle):
            pass
        return said, stopped

    def _end_command(self, whole: bool) -> None:
        """Kill what the agent waits for, so that it kills the rest; or, `whole`, the sandbox."""
        if whole:
            kill(self._process, self._watch.limits)
            return
        for agent in children(self._process.pid):
            kill_each(children(agent))

    def _word(self) -> tuple[bytes | None, bool]:
        """What the agent said, once it is whole, and whether it may say more."""
        chunk = self._status.read(65536)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines[0] if lines else None, bool(chunk)


@contextmanager
def packing(folder: Path, archive: BinaryIO) -> Iterator[None]:
    """Write the folder to a pipe as a tar archive meanwhile.

    Raises SandboxError, with what tar said, where not all of it could be read.
    """
    tar_program = shutil.which("tar", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") or "tar"
    argv = [tar_program, "-C", str(folder), "--format=posix", "-cf", "-", "."]
    with TemporaryFile() as said, subprocess.Popen(argv, stdout=archive, stderr=said) as tar:
        archive.close()
        try:
            yield
        except BaseException:
            tar.kill()
            raise
        if tar.wait():
            said.seek(0)
            told = " ".join(said.read(300).decode("utf-8", "replace").split())
            raise SandboxError(f"the sandbox did not start: {folder} cannot be copied: {told}")
