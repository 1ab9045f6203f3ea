"""Runs to rows of the `trajectories` partition, column by column."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from srft_assets.refusal import Refusal, excerpt_of
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.schema import TRAJECTORIES
from srft_assets.trajectories.steps_column import steps_column

UNFIT = (TypeError, ValueError, OverflowError, pa.ArrowException, pl.exceptions.PolarsError)

RUNS_AT_ONCE = 64

CELLS: dict[str, Callable[[Trajectory], Any]] = {
    "trajectory_id": lambda run: run.trajectory_id,
    "instance_id": lambda run: run.instance_id,
    "scaffold": lambda run: run.scaffold,
    "format": lambda run: run.format,
    "model": lambda run: run.model,
    "exit_status": lambda run: run.exit_status,
    "submission": lambda run: run.submission,
    "source_resolved": lambda run: run.resolved,
    "tools": lambda run: None if run.tools is None else orjson.dumps(run.tools).decode(),
    "source": lambda run: run.source,
    "source_row": lambda run: run.row,
    "stated_id": lambda run: run.stated_id,
    "n_steps": lambda run: len(run.steps),
}


def frame_of(runs: Iterable[Trajectory], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    """The rows, and the runs that do not fit the schema.

    A few runs at a time become rows, so that no more are held as Python objects.
    """
    frames, refused = [columns_of([], batch)], []
    rest = iter(runs)
    while piece := list(islice(rest, RUNS_AT_ONCE)):
        frame, unfit = _fitting(piece, batch)
        frames.append(frame)
        refused += unfit
    return pl.concat(frames, rechunk=True), refused


def _fitting(runs: Sequence[Trajectory], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    try:
        return columns_of(runs, batch), []
    except UNFIT:
        return _one_by_one(runs, batch)


def columns_of(runs: Sequence[Trajectory], batch: str) -> pl.DataFrame:
    """Rows of the partition `batch`. Raises one of `UNFIT` where a run does not fit."""
    columns = {
        "batch": pl.Series("batch", [batch] * len(runs), pl.String),
        "messages": _messages(runs),
        "steps": steps_column(runs),
    }
    for name, cell in CELLS.items():
        columns[name] = pl.Series(name, [cell(run) for run in runs], TRAJECTORIES[name])
    return pl.DataFrame([columns[name] for name in TRAJECTORIES])


def _messages(runs: Sequence[Trajectory]) -> pl.Series:
    """As JSON text, which comes as bytes and need not become a Python text on the way."""
    texts = [run.messages_json or orjson.dumps(run.messages) for run in runs]
    return pl.Series("messages", texts, pl.Binary).cast(pl.String)


def _one_by_one(runs: Sequence[Trajectory], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    frames, refused = [columns_of([], batch)], []
    for run in runs:
        try:
            frames.append(columns_of([run], batch))
        except UNFIT as error:
            reason = f"does not fit the schema: {excerpt_of(str(error))}"
            refused.append(Refusal(run.source, reason, row=run.row, subject=run.trajectory_id))
    return pl.concat(frames, rechunk=True), refused
