"""The runs of a batch on disk: where they lie, which are finished, and what came of them."""

import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from srft_assets.agent.play import Play, plays_of, read_info
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.locks import exclusive
from srft_assets.outcomes.dataset import read_dataset, rows_digest
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.batch.settings import LabTasks, RolloutSettings, parse_settings
from srft_assets.trajectories.batches import read_manifest
from srft_assets.warehouse.partitions import Warehouse

NOT_BEGUN = "(could not begin)"


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


def locked(out: Path, wait: bool = True) -> AbstractContextManager[bool]:
    """Hold the lock of the runs in `out`; see `exclusive`."""
    return exclusive(out.parent / f".{out.name}.lock", wait=wait)


def select(out: Path, plays: Sequence[Play], chosen: Path) -> None:
    """Make `chosen` a folder of links to the run files of `plays`, and of nothing else."""
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    for play in plays:
        if play.path(out).exists():
            play.path(chosen).parent.mkdir(exist_ok=True)
            os.link(play.path(out), play.path(chosen))


@dataclass(frozen=True, slots=True)
class Summary:
    """Runs of a batch that ended alike; steps and USD are means of a run."""

    exit_status: str
    runs: int
    resolved: int
    steps: float
    cost: float


def summary_of(home: Home, batch: str) -> list[Summary]:
    """One line an exit status, the most frequent first. Raises SrftError for another batch."""
    settings = parse_settings(dict(read_manifest(home, batch).settings), batch)
    out = home.runs / batch / settings.identity
    rows = []
    for play in plays_of(tasks_of(home, batch, settings), settings.attempts):
        info = read_info(play.path(out))
        stats = info.get("model_stats") or {}
        ended = str(info.get("exit_status") or NOT_BEGUN)
        calls, cost = stats.get("api_calls") or 0, stats.get("instance_cost") or 0.0
        rows.append({"ended": ended, "steps": float(calls), "cost": float(cost)})
    solved = _resolved(home, batch)
    grouped = (
        pl.DataFrame(rows)
        .group_by("ended")
        .agg(pl.len(), pl.col("steps", "cost").mean())
        .sort(["len", "ended"], descending=[True, False])
    )
    return [
        Summary(row["ended"], row["len"], solved.get(row["ended"], 0), row["steps"], row["cost"])
        for row in grouped.iter_rows(named=True)
    ]


def any_run(home: Home, batch: str) -> str:
    """Id of the batch's first run; empty where it holds none."""
    names = Warehouse(home.warehouse).read("trajectories", batch, columns=["trajectory_id"])
    return str(names["trajectory_id"][0]) if names.height else ""


def _resolved(home: Home, batch: str) -> dict[str, int]:
    """Exit status → resolved runs."""
    warehouse = Warehouse(home.warehouse)
    runs = warehouse.read("trajectories", batch, columns=["trajectory_id", "exit_status"])
    outcomes = warehouse.read("test_outcomes", batch, columns=["trajectory_id", "status"])
    good = runs.join(outcomes.filter(pl.col("status") == Status.RESOLVED.value), on="trajectory_id")
    return dict(good.group_by("exit_status").len().iter_rows())
