"""Heavy subprocesses: their environment, set before torch is imported, and how they end."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from srft_assets.errors import SrftError

Job = TypeVar("Job", bound=BaseModel)

ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "WANDB_MODE": "disabled",
}
"""Threads that wait by spinning take a busy machine's cores from each other: with small models
a training beside other work was 4 to 9 times slower than with threads that sleep."""


def quiet(**more: str) -> None:
    """Set what the environment does not say already."""
    for name, value in {**ENVIRONMENT, **more}.items():
        os.environ.setdefault(name, value)


def end_when_told() -> None:
    """Let SIGTERM end this process and its children where it was started with SIGINT ignored.

    A shell starts a background command so (`nohup srft apply &` in a script). Dagster lets SIGTERM
    do what SIGINT does, and a program that is started inherits what is ignored, but no handler: so
    SIGINT gets a handler here, which ignores it and ends the process for any other signal.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end_unless_interrupt)


def _end_unless_interrupt(number: int, _: FrameType | None) -> None:
    if number != signal.SIGINT:
        raise KeyboardInterrupt


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours in a process of its own.

    Not from the current folder, which `-m` alone would search first: it may be downloaded runs.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def run_job(
    arguments: Sequence[str], module: str, what: str, job: type[Job], work: Callable[[Job], None]
) -> int:
    """Do the job that the only argument, a JSON file, states. Exit code: 0 done, 1 failed, 2
    wrong call; a failure is one line on standard error, which names `what` failed.
    """
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m {module} job.json\n")
        return 2
    quiet(HF_HUB_OFFLINE="1")
    try:
        work(job.model_validate_json(Path(arguments[0]).read_bytes()))
    except (SrftError, ValidationError, MemoryError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {what}: {' '.join(str(error).split())}\n")
        return 1
    return 0
