"""Scores as arrays: how many attempts there were at a task with a seed, how many resolved it."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from srft_assets.compare.bootstrap import Grid
from srft_assets.errors import SrftError

COLUMNS = ("arm", "seed", "instance_id", "resolved")
"""What a frame of scores must have; further columns are used where they are there."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The scored attempts of one arm.

    Attributes:
        tasks: sorted instance ids, of the rows.
        seeds: sorted seeds, of the columns.
        scored: [tasks, seeds] attempts that count: the grader did not fail.
        resolved: [tasks, seeds] those whose patch passes the tests.
    """

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    scored: Grid
    resolved: Grid

    @property
    def single(self) -> bool:
        """Whether no task has more than one attempt: attempts are independent then."""
        return len(self.seeds) == 1 and bool(self.scored.max(initial=0) <= 1)

    def at(self, tasks: tuple[str, ...], seeds: tuple[int, ...]) -> "Cells":
        """These tasks and seeds only, in this order. Raises KeyError for one that is not there."""
        rows = {task: place for place, task in enumerate(self.tasks)}
        columns = {seed: place for place, seed in enumerate(self.seeds)}
        chosen = np.ix_([rows[task] for task in tasks], [columns[seed] for seed in seeds])
        return Cells(tasks, seeds, self.scored[chosen], self.resolved[chosen])


def cells_of(scores: pl.DataFrame, arm: str) -> Cells:
    """The cells of one arm; rows without `resolved` are no score. The order of rows is nothing.

    Raises SrftError where a column is missing, or the arm has no scores.
    """
    missing = [name for name in COLUMNS if name not in scores.columns]
    if missing:
        raise SrftError(f"scores without a column {missing[0]}: they need {', '.join(COLUMNS)}")
    counts = (
        scores.filter(pl.col("arm") == arm, pl.col("resolved").is_not_null())
        .group_by("instance_id", "seed")
        .agg(pl.len().alias("scored"), pl.col("resolved").sum())
    )
    if counts.is_empty():
        raise SrftError(f"arm {arm} has no scores")
    tasks = tuple(sorted(set(counts["instance_id"])))
    seeds = tuple(sorted(set(counts["seed"])))
    rows = counts["instance_id"].replace_strict(tasks, range(len(tasks)), return_dtype=pl.Int64)
    columns = counts["seed"].replace_strict(seeds, range(len(seeds)), return_dtype=pl.Int64)
    grids = {}
    for name in ("scored", "resolved"):
        grids[name] = np.zeros((len(tasks), len(seeds)))
        grids[name][rows.to_numpy(), columns.to_numpy()] = counts[name].to_numpy()
    return Cells(tasks, seeds, grids["scored"], grids["resolved"])
