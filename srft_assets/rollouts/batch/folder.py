"""Where the runs of a batch lie, which are finished, and which of them the batch holds."""

import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from srft_assets.agent.play import run_path
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.locks import exclusive
from srft_assets.outcomes.dataset import read_dataset, rows_digest
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.batch.settings import LabTasks, RolloutSettings
from srft_assets.rollouts.model import CONTEXT_LIMIT

ENDS = frozenset(
    {"Submitted", "LimitsExceeded", "TimeExceeded", "RepeatedFormatError", CONTEXT_LIMIT}
)
"""Exit statuses of runs that came to an end of their own. Others crashed: they are kept, and
played again when the batch is made again."""


class Place(NamedTuple):
    """One attempt at one task."""

    task: TaskInstance
    attempt: int

    @property
    def name(self) -> str:
        """Names the stream of its samples."""
        return f"{self.task.instance_id}#{self.attempt}"


def instances_path(home: Home, batch: str) -> Path:
    """The rows of a data set that the batch plays."""
    return home.runs / batch / "instances.jsonl"


def tasks_of(home: Home, batch: str, settings: RolloutSettings) -> list[TaskInstance]:
    """The tasks. Raises SrftError where the copied rows are gone or not those registered."""
    if isinstance(settings.tasks, LabTasks):
        return generate_tasks(settings.tasks.count, settings.tasks.seed)
    path = instances_path(home, batch)
    tasks = list(read_dataset(str(path), None).values()) if path.exists() else []
    if rows_digest(tasks) != settings.tasks.rows:
        raise SrftError(f"{path} is not as it was registered: register batch {batch} again")
    return tasks


def places_of(tasks: Sequence[TaskInstance], attempts: int) -> list[Place]:
    """All attempts at all tasks; every task is tried once before any is tried again."""
    return [Place(task, attempt) for attempt in range(attempts) for task in tasks]


def played_path(out: Path, place: Place) -> Path:
    """Its run file."""
    return run_path(out, place.task.instance_id, place.attempt)


def read_info(path: Path) -> dict[str, Any] | None:
    """`info` of a run file; None where there is none yet, or it is no run file."""
    try:
        info = orjson.loads(path.read_bytes())["info"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return info if isinstance(info, dict) else None


def is_finished(path: Path) -> bool:
    """Whether the run came to its own end: then it is never played again."""
    info = read_info(path)
    return info is not None and info.get("exit_status") in ENDS


def alone(out: Path, wait: bool = True) -> AbstractContextManager[bool]:
    """Hold the lock of the runs in `out`; see `exclusive`."""
    return exclusive(out.parent / f".{out.name}.lock", wait=wait)


def select(out: Path, places: Sequence[Place], chosen: Path) -> None:
    """Make `chosen` a folder of links to the run files of `places`, and of nothing else."""
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    for place in places:
        source = played_path(out, place)
        if source.exists():
            target = played_path(chosen, place)
            target.parent.mkdir(exist_ok=True)
            os.link(source, target)
