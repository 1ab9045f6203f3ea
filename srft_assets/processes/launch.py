"""The one way in which heavy work is started: here, or behind a prefix that takes it to a node."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import orjson

from srft_assets.errors import SrftError
from srft_assets.files import place, private
from srft_assets.home import Home
from srft_assets.processes.child import python
from srft_assets.processes.guard import LOOK_SECONDS, guarded
from srft_assets.processes.locks import exclusive
from srft_assets.processes.remote import GRACE_SECONDS, JOB, WANTED, RemoteJob, Task, tasks_of
from srft_assets.project.folder import HOME, PROJECT, current_project
from srft_assets.text import printable

TAIL_LINES = 20
SEEN_SECONDS = 3.0
"""A network file system may show for so long what was there before."""
STATED = "error: "
"""What begins the line in which a command of ours says why it failed; the first one counts, as
that is the cause where one process of several draws the others after it."""
OnLine = Callable[[str], None]


def show(line: str) -> None:
    """A line to standard output."""
    print(line, flush=True)


def launch(argv: Sequence[str], env: Mapping[str, str], on_line: OnLine = show) -> None:
    """Run a command and wait; `env` is added to this process's environment.

    Each line of its merged output goes to `on_line` (by default to standard output). When this
    call is left in any other way than by the command's end (an interrupt, SIGTERM, an error in
    `on_line`), or this process is killed, the command and all that it started are ended. When the
    command fails, raises SrftError with the reason that it states, else with its last lines.
    """
    code, stated, tail = _run(argv, env, on_line)
    if code:
        raise SrftError(stated or failure(argv, code, tail))


def launch_job(
    home: Home,
    argv: Sequence[str],
    env: Mapping[str, str],
    prefix: Sequence[str],
    folder: Path,
    on_line: OnLine,
) -> None:
    """Work of a platform, here or behind a prefix; `folder`: that of `job_folder`."""
    if not prefix:
        launch(argv, env, on_line)
        return
    launch_behind(prefix, argv, {**env, **places(home)}, folder, on_line)


def places(home: Home) -> dict[str, str]:
    """Where a node finds the platform and the project."""
    told, project = {HOME: str(home.root)}, current_project()
    if project.file.is_file():
        told[PROJECT] = str(project.root)
    return told


def told_step(line: str, label: str) -> tuple[str, int, int, str] | None:
    """Label, number, number of all and a note of a line of progress, `{"step": 3, "of": 150, …}`;
    None for any other line."""
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict) or not {"step", "of"} <= told.keys():
        return None
    note = " ".join(f"{k} {v}" for k, v in told.items() if k not in {"step", "of", "label"})
    return str(told.get("label", label)), told["step"], told["of"], note


def launch_behind(
    prefix: Sequence[str],
    argv: Sequence[str],
    env: Mapping[str, str],
    folder: Path,
    on_line: OnLine = show,
) -> None:
    """As `launch`, behind a prefix that runs a command elsewhere and waits for it.

    `folder`: that of `job_folder`, on the shared home. Once it is given up, or this process
    killed, the work ends wherever it runs, be the prefix able to end it or not. Raises SrftError
    that says so where a node was lost, or where the prefix came back before the work ended.
    """
    code, stated, tail = _run(command_behind(prefix, argv, env, folder), {}, on_line)
    tasks = tasks_of(folder)
    until = time.monotonic() + SEEN_SECONDS
    # What a node wrote last may take its time to be seen here.
    while time.monotonic() < until and (
        any(task.code is None for task in tasks) or (not tasks and code == 0)
    ):
        time.sleep(LOOK_SECONDS)
        tasks = tasks_of(folder)
    if tasks and all(task.code == 0 for task in tasks):
        return
    raise SrftError(stated or _reason(prefix, argv, code, tasks, tail))


def command_behind(
    prefix: Sequence[str], argv: Sequence[str], env: Mapping[str, str], folder: Path
) -> list[str]:
    """The command that runs another one behind a prefix, of which `folder` then says what it is."""
    job = RemoteJob(argv=list(argv), env=dict(env), cwd=str(Path.cwd()))
    place(folder / JOB, job.model_dump_json().encode())
    return [*prefix, *python("srft_assets.processes.remote", str(folder))]


def _reason(
    prefix: Sequence[str],
    argv: Sequence[str],
    code: int,
    tasks: Sequence[Task],
    tail: Sequence[str],
) -> str:
    """Why work behind a prefix did not come to a good end."""
    said = "\n".join(tail) or "it printed nothing"
    by = prefix[0]
    if not tasks and not code:
        return (
            f"{by} came back and nothing had run: the prefix has to wait for what it starts "
            f"(sbatch --wait, not sbatch)\n{said}"
        )
    if not tasks:
        return failure(prefix, code, tail)
    ended = next((task for task in tasks if task.code and task.why == ""), None)
    if ended and ended.code:
        return f"on {ended.host}: {failure(argv, ended.code, tail)}"
    told = next((task for task in tasks if task.why == "told"), None)
    if told:
        return f"{by} ended the work on {told.host}; the same command goes on with it: {said}"
    lost = ", ".join(sorted(task.host for task in tasks if task.code is None))
    # srun of 22.05 ends with 0 where its node is gone.
    other = f"the work there killed ({by}: exit code {code})" if code else f"{by} does not wait"
    return f"{lost} was lost, or {other}; the same command goes on with it: {said}"


@contextmanager
def job_folder(launches: Path) -> Iterator[Path]:
    """An own folder for what we and our work tell each other, gone afterwards, and its lock.

    Those of killed processes, whose locks are free, are removed.
    """
    private(launches)
    for lock in launches.glob(f"[!.]*/{WANTED}"):
        # Another one sweeps, too, or its owner removes it.
        with suppress(OSError), exclusive(lock, wait=False) as free:
            if free:
                shutil.rmtree(lock.parent, ignore_errors=True)
    name = uuid4().hex[:12]
    made, folder = launches / f".{name}", launches / name
    with exclusive(made / WANTED):
        made.rename(folder)  # nobody takes it for left before it is locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _run(
    argv: Sequence[str], env: Mapping[str, str], on_line: OnLine
) -> tuple[int, str, Sequence[str]]:
    """The exit code, the reason that was stated, and the last lines."""
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    stated = ""
    both = {**os.environ, **env}
    output = {"stdout": subprocess.PIPE, "text": True, "errors": "replace"}
    # torchrun gives each worker a session of its own, which no signal to a group reaches.
    with _signals_raise(), guarded(argv, GRACE_SECONDS, both, **output) as (process, _):
        for line in process.stdout or ():
            # Without line break and control characters.
            shown = printable(line.rstrip("\r\n"))
            tail.append(shown)
            if shown.startswith(STATED) and not stated:
                stated = shown.removeprefix(STATED)
            on_line(shown)
        return process.wait(), stated, tail


def failure(argv: Sequence[str], code: int, tail: Sequence[str]) -> str:
    """What to tell of a command that ended with this code, 128 + a signal, and said no reason."""
    of_python = Path(argv[0]).name.startswith("python") and "-m" in argv[:-1]
    name = argv[argv.index("-m") + 1] if of_python else argv[0]
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
