"""The `trajectories` partition: one row a run, its steps in it, so that one file is one state.

What a step is stands in lists beside each other, one element a step, in order. DuckDB reads of a
Parquet file only the columns that a query names, but of a list of structs always every field.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from srft_assets.errors import Refusal, excerpt_of
from srft_assets.trajectories.model import Action, Step, Trajectory

ACTION: pl.DataType = pl.Struct({"tool": pl.String, "command": pl.String, "call_id": pl.String})

_COLUMNS: dict[str, Any] = {
    "trajectory_id": pl.String,
    "instance_id": pl.String,
    "batch": pl.String,
    "scaffold": pl.String,
    "format": pl.String,
    "model": pl.String,
    "exit_status": pl.String,
    "submission": pl.String,
    "source_resolved": pl.Boolean,
    "messages": pl.String,
    "tools": pl.String,
    "source": pl.String,
    "source_row": pl.Int64,
    "stated_id": pl.String,
    "n_steps": pl.Int32,
    "step_messages": pl.List(pl.Int32),
    "step_thoughts": pl.List(pl.String),
    "step_actions": pl.List(pl.List(ACTION)),
    "step_observations": pl.List(pl.List(pl.String)),
    "step_return_codes": pl.List(pl.List(pl.Int32)),
}

TRAJECTORIES = pl.Schema(_COLUMNS)
STEP_COLUMNS = ("messages", "thoughts", "actions", "observations", "return_codes")
"""Columns with one element a step, less their `step_`, in the order of `Step`."""


ROWS = pa.large_list(
    pa.struct(
        list(
            pl.DataFrame(schema=TRAJECTORIES).to_arrow(compat_level=pl.CompatLevel.newest()).schema
        )
    )
)
"""The rows as Arrow knows them, with texts as polars holds them: nothing is copied on the way."""
UNFIT = (TypeError, ValueError, OverflowError, pa.ArrowException)


def frame_of(runs: Iterable[Trajectory], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    """The rows of the partition `batch`, and the runs that do not fit the schema."""
    made = [row_of(run, batch) for run in runs]
    frames = [one for one in made if isinstance(one, pl.DataFrame)]
    refused = [one for one in made if isinstance(one, Refusal)]
    return pl.concat([TRAJECTORIES.to_frame(), *frames], rechunk=True), refused


def row_of(run: Trajectory, batch: str) -> pl.DataFrame | Refusal:
    """The row of one run, or why it does not fit the schema."""
    try:
        return rows_of([run], batch)
    except UNFIT as error:
        reason = f"does not fit the schema: {excerpt_of(str(error))}"
        return Refusal(run.source, reason, run.row, run.trajectory_id)


def rows_of(runs: Sequence[Trajectory], batch: str) -> pl.DataFrame:
    """Rows of the partition `batch`. Raises one of `UNFIT` where a run does not fit.

    A scalar, because `pyarrow.array` of a list would import pandas, which takes seconds.
    """
    cells = pa.scalar([_cells(run, batch) for run in runs], ROWS).values
    return pl.DataFrame(pa.RecordBatch.from_struct_array(cells))


def _cells(run: Trajectory, batch: str) -> dict[str, Any]:
    return {
        "trajectory_id": run.trajectory_id,
        "instance_id": run.instance_id,
        "batch": batch,
        "scaffold": run.scaffold,
        "format": run.format,
        "model": run.model,
        "exit_status": run.exit_status,
        "submission": run.submission,
        "source_resolved": run.resolved,
        "messages": orjson.dumps(run.messages).decode(),
        "tools": None if run.tools is None else orjson.dumps(run.tools).decode(),
        "source": run.source,
        "source_row": run.row,
        "stated_id": run.stated_id,
        "n_steps": len(run.steps),
        "step_messages": [step.message_index for step in run.steps],
        "step_thoughts": [step.thought for step in run.steps],
        "step_actions": [
            [(one.tool, one.command, one.call_id) for one in step.actions] for step in run.steps
        ],
        "step_observations": [step.observations for step in run.steps],
        "step_return_codes": [step.return_codes for step in run.steps],
    }


def from_row(row: dict) -> Trajectory:
    """The run of one row (as `frame.iter_rows(named=True)` gives it)."""
    return Trajectory(
        trajectory_id=row["trajectory_id"],
        instance_id=row["instance_id"],
        scaffold=row["scaffold"],
        format=row["format"],
        messages=orjson.loads(row["messages"]),
        steps=_steps(row),
        model=row["model"],
        exit_status=row["exit_status"],
        submission=row["submission"],
        resolved=row["source_resolved"],
        tools=None if row["tools"] is None else orjson.loads(row["tools"]),
        source=row["source"],
        row=row["source_row"],
        stated_id=row["stated_id"],
    )


def _steps(row: dict) -> list[Step]:
    columns = (row[f"step_{name}"] for name in STEP_COLUMNS)
    return [
        Step(index, message, thought, [Action(**one) for one in actions], observations, codes)
        for index, (message, thought, actions, observations, codes) in enumerate(
            zip(*columns, strict=True)
        )
    ]
