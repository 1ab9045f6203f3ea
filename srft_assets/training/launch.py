"""How a training is started: its command line, and a subprocess that never outlives its parent."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from srft_assets.errors import SrftError
from srft_assets.serving import guard
from srft_assets.text import printable
from srft_assets.tokens.arm import TrainingSpec

MAIN = "srft_assets.training.main"
TAIL_LINES = 20
STATED = "error: "
"""What begins the line in which a command of ours says why it failed; the first one counts, as
that is the cause where one process of several draws the others after it."""
GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL."""


def command_of(training: TrainingSpec, job: Path) -> list[str]:
    """The command line that trains the job of this file."""
    start: list[str] = []
    stated, count = training.launcher_args, str(training.processes)
    if training.launcher == "torchrun":
        meeting = [] if _names(stated, "rdzv", "master") else ["--standalone"]
        start = ["-m", "torch.distributed.run", *meeting, "--nproc-per-node", count, *stated]
    elif training.launcher == "accelerate":
        start = ["-m", "accelerate.commands.launch", "--num_processes", count]
        if not _names(stated, "config_file"):
            # Nothing is taken from a default file of this machine, only from a stated one.
            start += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
            if training.processes > 1:
                start += ["--multi_gpu", "--main_process_port", "0"]
        start += stated
    return [*training.launch_prefix, sys.executable, *start, "-m", MAIN, str(job)]


def _names(arguments: Sequence[str], *words: str) -> bool:
    """Whether an option of these is among the arguments, with either dash in its name."""
    options = [word.lstrip("-").replace("-", "_") for word in arguments if word.startswith("-")]
    return any(option.startswith(words) for option in options)


def environment_of(training: TrainingSpec) -> dict[str, str]:
    """What to add to the environment: the cores are shared out to the processes, and none of
    them, launchers' workers included, takes a module from the current folder.
    """
    safe = {"PYTHONSAFEPATH": "1"}
    if training.processes == 1 or "OMP_NUM_THREADS" in os.environ:
        return safe
    cores = len(os.sched_getaffinity(0))
    return safe | {"OMP_NUM_THREADS": str(max(1, cores // training.processes))}


def launch(
    argv: Sequence[str],
    env: Mapping[str, str],
    on_line: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Run a command and wait; `env` is added to this process's environment.

    Each line of its merged output goes to `on_line` (by default to standard output). When this
    call is left in any other way than by the command's end (an interrupt, SIGTERM, an error in
    `on_line`), or this process is killed, the command and all that it started are ended. When the
    command fails, raises SrftError with the reason that it states, else with its last lines.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    stated = ""
    with _signals_raise(), _guarded(argv, env) as process:
        assert process.stdout is not None
        for line in process.stdout:
            # Without line break and control characters.
            shown = printable(line.rstrip("\r\n"))
            tail.append(shown)
            if shown.startswith(STATED) and not stated:
                stated = shown.removeprefix(STATED)
            on_line(shown)
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


def _failure(argv: Sequence[str], code: int, tail: Sequence[str]) -> str:
    name = argv[argv.index("-m") + 1] if "-m" in argv[:-1] else argv[0]
    how = f"exit code {code}"
    if code - 128 in set(signal.Signals):
        how = f"killed by {signal.Signals(code - 128).name}"
        if code - 128 == signal.SIGKILL:
            how += ", perhaps by the system for want of memory"
    return f"{name} failed ({how}): " + ("\n".join(tail) or "it printed nothing")


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGINT and SIGTERM leave what is waited for by an exception, so that `finally` runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # polars asks the kernel to go on with a read that SIGINT interrupts.
    signal.siginterrupt(signal.SIGINT, True)
    simply_kills = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if simply_kills:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        if simply_kills:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
