"""A process between a server and whoever started it: ends the server's whole tree with them.

    python -I -S guard.py CHANNEL PARENT GRACE COMMAND…

CHANNEL is a socket whose other end only the parent holds; the guard writes the server's process
id to it, and its end of file says that the parent closed it or is gone, also by SIGKILL. The guard
is a subreaper (prctl(2)): a worker whose own parent died becomes the guard's child, so that
nothing of the tree is lost, whatever sessions it made. Exits as the server did, after the last of
the tree. Imports nothing but the standard library, and starts in 20 ms.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 0.1
KILL_SECONDS = 30.0
"""A process that SIGKILL does not end within so long hangs in the kernel; nobody can end it."""
NOT_FOUND = 127


class Tree:
    """The server and everything that descends from it: all descendants of this process."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the command in a session of its own. Raises OSError where it cannot be run."""
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

        def die_with_guard() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

        # Kept: a Popen that is dropped reaps a process that ended by then, and hides its end.
        self._started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_guard
        )
        self.server = self._started.pid
        self.status: int | None = None
        """The server's exit code, or minus the signal that ended it; None while it runs."""

    def reap(self) -> None:
        """Take note of ends, the server's and those of orphans."""
        with suppress(ChildProcessError):
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    return
                if process == self.server:
                    self.status = os.waitstatus_to_exitcode(status)

    def end(self, grace: float) -> None:
        """SIGTERM to the server's group; when it has ended or `grace` is over, SIGKILL to all."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.server, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self.status is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            self.reap()
        deadline = time.monotonic() + KILL_SECONDS
        while (left := descendants(os.getpid())) and time.monotonic() < deadline:
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(LOOK_SECONDS / 5)
            self.reap()


def descendants(root: int) -> list[int]:
    """Processes that descend from `root`, without it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                stat = (folder / "stat").read_bytes()
                parent = int(stat.rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found = [root]
    for process in found:
        found.extend(children.get(process, ()))
    return found[1:]


@contextmanager
def guarded(
    command: Sequence[str], grace: float, env: Mapping[str, str], **output: Any
) -> Iterator[tuple[subprocess.Popen[Any], socket.socket]]:
    """The parent's side: a guard of the command, and our end of its channel.

    `output` are arguments of Popen. The guard passes on what the command prints and ends as it
    does; both have ended on leaving, with all that the command started.
    """
    ours, theirs = socket.socketpair()
    with closing(ours):
        with closing(theirs):
            start = [sys.executable, "-I", "-S", __file__, str(theirs.fileno()), str(os.getpid())]
            process = subprocess.Popen(
                [*start, str(grace), *command],
                env=env,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                **output,
            )
        with process:
            try:
                yield process, ours
            finally:
                ours.shutdown(socket.SHUT_RDWR)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(grace + KILL_SECONDS)
                process.kill()


def main(arguments: Sequence[str]) -> int:
    """Run the command until it ends, the parent is gone, or SIGTERM comes."""
    channel = socket.socket(fileno=int(arguments[0]))
    parent, grace, command = int(arguments[1]), float(arguments[2]), arguments[3:]
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    try:
        tree = Tree(command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", flush=True)
        return NOT_FOUND
    with suppress(OSError):
        channel.send(b"%d\n" % tree.server)
    # A fork of the parent may hold the channel open, so its process id is looked at too.
    heard = select.poll()  # select() takes no descriptor above 1,023
    heard.register(channel, select.POLLIN)
    while tree.status is None and not told and os.getppid() == parent:
        if heard.poll(LOOK_SECONDS * 1000):
            break
        tree.reap()
    ended = tree.status
    tree.end(grace)
    if ended is None:
        return 0
    return ended if ended >= 0 else 128 - ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
