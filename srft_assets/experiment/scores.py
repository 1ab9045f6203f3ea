"""Scores of the finished cells as frames."""

from collections.abc import Sequence

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.experiment.bench import Bench, CellResult
from srft_assets.experiment.design import Cell, Place
from srft_assets.outcomes.model import Status

SCORES = pl.Schema(
    {
        "series": pl.String,
        "arm": pl.String,
        "x": pl.Float64,
        "seed": pl.Int64,
        "instance_id": pl.String,
        "status": pl.String,
        "exit_status": pl.String,
        "n_steps": pl.Int64,
        "in_memory": pl.Boolean,
        "resolved": pl.Boolean,
    }
)
"""One row a held-out task, seed and place in the report; `resolved` is null where the machine
failed. `x` is the F1 or the share of failed runs, where the series has one."""

Results = dict[Cell, CellResult]


def results_of(places: Sequence[Place], bench: Bench) -> Results:
    """The files of all cells. Raises SrftError where one is missing."""
    found = {}
    for place in places:
        result = bench.result(place.cell)
        if result is None:
            raise SrftError(f"the cell {place.arm}, seed {place.cell.seed} is not finished")
        found[place.cell] = result
    return found


def score_frame(places: Sequence[Place], results: Results) -> pl.DataFrame:
    """All scores, in the schema SCORES."""
    rows = []
    for place in places:
        for instance, status, end, steps, in_memory in results[place.cell].scores:
            known = status != Status.INFRA_ERROR
            rows.append(
                {
                    "series": place.series,
                    "arm": place.arm,
                    "x": place.x,
                    "seed": place.cell.seed,
                    "instance_id": instance,
                    "status": status,
                    "exit_status": end,
                    "n_steps": steps,
                    "in_memory": in_memory,
                    "resolved": status == Status.RESOLVED if known else None,
                }
            )
    return pl.DataFrame(rows, schema=SCORES)


def cell_frame(places: Sequence[Place], results: Results, bench: Bench) -> pl.DataFrame:
    """One row a place and seed: rate, and what was trained. `name` is that of the cell's file.

    `rate` is of the tasks that the machine did not fail at; null where there are none.
    """
    rows = []
    for place in places:
        result = results[place.cell]
        statuses = [status for _, status, *_ in result.scores if status != Status.INFRA_ERROR]
        resolved = statuses.count(Status.RESOLVED)
        rows.append(
            {
                "series": place.series,
                "arm": place.arm,
                "x": place.x,
                "seed": place.cell.seed,
                "name": place.cell.name(bench.fixed),
                "optimizer_steps": place.cell.steps,
                "rows": result.training.get("rows"),
                "trained_tokens": result.training.get("trained_tokens"),
                "tokens_seen": result.training.get("tokens_seen"),
                "final_loss": result.training.get("final_loss"),
                "tasks": len(result.scores),
                "resolved": resolved,
                "rate": resolved / len(statuses) if statuses else None,
                "train_seconds": result.train_seconds,
                "play_seconds": result.play_seconds,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)
