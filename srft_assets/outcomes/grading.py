"""Real grading of a batch whose tasks the platform holds."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from srft_assets.errors import SrftError, first_problem
from srft_assets.home import Home
from srft_assets.outcomes.local import grade_patch
from srft_assets.outcomes.matching import Run
from srft_assets.outcomes.model import TestOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Sandbox
from srft_assets.warehouse.stage import Progress


def tasks_path(home: Home, batch: str) -> Path:
    """`<home.runs>/<batch>/tasks.jsonl`: tasks as rows of the SWE-bench instance schema."""
    return home.runs / batch / "tasks.jsonl"


def tasks_digest(home: Home, batch: str) -> str | None:
    """16 hex digits over the batch's tasks; None where it has none."""
    path = tasks_path(home, batch)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else None


def read_tasks(home: Home, batch: str) -> dict[str, TaskInstance]:
    """Instance id → task; empty where the platform holds none. Raises SrftError for a bad row."""
    path = tasks_path(home, batch)
    if not path.exists():
        return {}
    tasks: dict[str, TaskInstance] = {}
    with path.open("rb") as file:
        for row, line in enumerate(file):
            try:
                task = TaskInstance.model_validate_json(line)
            except ValidationError as error:
                raise SrftError(f"{path}, row {row}: {first_problem(error)}") from None
            tasks[task.instance_id] = task
    return tasks


def grade_runs(
    runs: Iterable[Run],
    tasks: Mapping[str, TaskInstance],
    sandbox: Sandbox,
    progress: Progress,
    label: str,
) -> dict[str, TestOutcome]:
    """Trajectory id → outcome, graded in one thread a CPU.

    Runs that submitted the same patch for the same task are graded once.
    """
    same: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        same.setdefault((run.instance_id, run.submission), []).append(run)

    def grade(key: tuple[str, str | None]) -> list[TestOutcome]:
        first, *_ = same[key]
        outcome = grade_patch(tasks[key[0]], key[1], sandbox, trajectory_id=first.trajectory_id)
        return [replace(outcome, trajectory_id=run.trajectory_id) for run in same[key]]

    pool = ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="grade")
    try:
        futures = as_completed([pool.submit(grade, key) for key in same])
        done = progress.track(futures, label, total=len(same))
        return {one.trajectory_id: one for future in done for one in future.result()}
    finally:
        pool.shutdown(cancel_futures=True)
