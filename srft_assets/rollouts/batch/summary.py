"""What came of a batch of rollouts, in a few lines."""

from dataclasses import dataclass

import polars as pl

from srft_assets.home import Home
from srft_assets.outcomes.model import Status
from srft_assets.rollouts.batch.folder import places_of, played_path, read_info, tasks_of
from srft_assets.rollouts.batch.settings import parse_settings
from srft_assets.trajectories.batches import read_manifest
from srft_assets.warehouse.store import Warehouse

NOT_BEGUN = "(could not begin)"


@dataclass(frozen=True, slots=True)
class Line:
    """Runs that ended alike; steps and USD are means of a run."""

    exit_status: str
    runs: int
    resolved: int
    steps: float
    cost: float


def summary_of(home: Home, batch: str) -> list[Line]:
    """One line an exit status, the most frequent first. Raises SrftError for another batch."""
    settings = parse_settings(dict(read_manifest(home, batch).settings), batch)
    out = home.runs / batch / settings.identity
    rows = []
    for spot in places_of(tasks_of(home, batch, settings), settings.attempts):
        info = read_info(played_path(out, spot)) or {}
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
        Line(row["ended"], row["len"], solved.get(row["ended"], 0), row["steps"], row["cost"])
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
