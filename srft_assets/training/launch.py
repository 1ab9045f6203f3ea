"""A heavy subprocess in a session of its own, which never outlives its parent's interest."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress

from srft_assets.errors import SrftError
from srft_assets.serving import guard

TAIL_LINES = 20
STATED = "error: "
"""What begins the line in which a command of ours says why it failed; the first one counts, as
that is the cause where one process of several draws the others after it."""
GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL."""


def launch(
    argv: Sequence[str],
    env: Mapping[str, str],
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Run a command and wait; `env` is added to this process's environment.

    Each line of its merged output goes to `on_line` (by default to standard output). When this
    call is left in any other way than by the command's end (an interrupt, SIGTERM, an error in
    `on_line`), or this process is killed, the command and all that it started are ended. When the
    command fails, raises SrftError with the reason that it states, else with its last lines.
    """
    show = on_line or _print
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    stated = ""
    with _sigterm_raises(), _guarded(argv, env) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tail.append(printable(line))
            if tail[-1].startswith(STATED) and not stated:
                stated = tail[-1].removeprefix(STATED)
            show(tail[-1])
        code = process.wait()
    if code:
        raise SrftError(stated or _failure(argv, code, tail))


@contextmanager
def _guarded(argv: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The guard of the command, which passes on its output and ends as it does.

    torchrun gives each worker a session of its own, which no signal to a group reaches; the guard
    finds them all, also when this process is killed.
    """
    ours, theirs = socket.socketpair()
    guarding = [sys.executable, "-I", "-S", guard.__file__, str(theirs.fileno())]
    with closing(ours):
        with closing(theirs):
            process = subprocess.Popen(
                [*guarding, str(os.getpid()), str(GRACE_SECONDS), *argv],
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        with process:
            try:
                yield process
            finally:
                ours.shutdown(socket.SHUT_RDWR)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_SECONDS + guard.KILL_SECONDS)
                process.kill()


def printable(line: str) -> str:
    """The line without line break and control characters."""
    return "".join(char if char.isprintable() else " " for char in line.rstrip("\r\n"))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _failure(argv: Sequence[str], code: int, tail: Sequence[str]) -> str:
    name = argv[argv.index("-m") + 1] if "-m" in argv[:-1] else argv[0]
    how = f"exit code {code}"
    if code - 128 in set(signal.Signals):
        how = f"killed by {signal.Signals(code - 128).name}"
        if code - 128 == signal.SIGKILL:
            how += ", perhaps by the system for want of memory"
    return f"{name} failed ({how}): " + ("\n".join(tail) or "it printed nothing")


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that `finally` runs; only where it would simply kill."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
