"""Runs to rows of the `trajectories` partition, column by column."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import orjson
import polars as pl
import pyarrow as pa

from srft_assets.refusal import Refusal, excerpt_of
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.schema import TRAJECTORIES
from srft_assets.trajectories.steps_column import Leaves, leaves_of, steps_column

UNFIT = (TypeError, ValueError, OverflowError, pa.ArrowException, pl.exceptions.PolarsError)

RUNS_AT_ONCE = 64
"""That become rows of one frame."""

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


class Cells(NamedTuple):
    """What becomes of one run, whose objects need not be kept: reading takes a tenth less time
    where they are let go of while they are in the processor's cache.
    """

    plain: tuple[Any, ...]
    messages: bytes
    steps: Leaves


def frame_of(runs: Iterable[Trajectory], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    """The rows, and the runs that do not fit the schema. Holds one run at a time."""
    refused: list[Refusal] = []
    frames = [columns_of([], batch)]
    rest = _cells_of_all(runs, refused)
    while piece := list(islice(rest, RUNS_AT_ONCE)):
        frame, unfit = _fitting(piece, batch)
        frames.append(frame)
        refused += unfit
    return pl.concat(frames, rechunk=True), refused


def columns_of(runs: Iterable[Trajectory], batch: str) -> pl.DataFrame:
    """Rows of the partition `batch`. Raises one of `UNFIT` where a run does not fit."""
    return _columns([_cells(run) for run in runs], batch)


def _cells_of_all(runs: Iterable[Trajectory], refused: list[Refusal]) -> Iterator[Cells]:
    for run in runs:
        try:
            cells = _cells(run)
        except UNFIT as error:
            refused.append(_unfit(error, run.source, run.row, run.trajectory_id))
        else:
            yield cells


def _cells(run: Trajectory) -> Cells:
    """`messages` as JSON text, which comes as bytes and need not become a Python text."""
    plain = tuple(cell(run) for cell in CELLS.values())
    return Cells(plain, run.messages_json or orjson.dumps(run.messages), leaves_of(run.steps))


def _fitting(runs: Sequence[Cells], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    try:
        return _columns(runs, batch), []
    except UNFIT:
        return _one_by_one(runs, batch)


def _columns(runs: Sequence[Cells], batch: str) -> pl.DataFrame:
    messages = pl.Series("messages", [run.messages for run in runs], pl.Binary)
    columns = {
        "batch": pl.Series("batch", [batch] * len(runs), pl.String),
        "messages": messages.cast(pl.String),
        "steps": steps_column(run.steps for run in runs),
    }
    for place, name in enumerate(CELLS):
        columns[name] = pl.Series(name, [run.plain[place] for run in runs], TRAJECTORIES[name])
    return pl.DataFrame([columns[name] for name in TRAJECTORIES])


def _one_by_one(runs: Sequence[Cells], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    frames, refused = [columns_of([], batch)], []
    for run in runs:
        try:
            frames.append(_columns([run], batch))
        except UNFIT as error:
            said = dict(zip(CELLS, run.plain, strict=True))
            refused.append(_unfit(error, said["source"], said["source_row"], said["trajectory_id"]))
    return pl.concat(frames, rechunk=True), refused


def _unfit(error: Exception, source: str, row: int, trajectory_id: str) -> Refusal:
    reason = f"does not fit the schema: {excerpt_of(str(error))}"
    return Refusal(source, reason, row=row, subject=trajectory_id)
