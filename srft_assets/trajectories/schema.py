"""The `trajectories` partition: one row a run, its steps nested, so that one file is one state."""

from typing import Any

import orjson
import polars as pl

from srft_assets.trajectories.model import Action, Step, Trajectory

ACTION: pl.DataType = pl.Struct({"tool": pl.String, "command": pl.String, "call_id": pl.String})

STEP: pl.DataType = pl.Struct(
    {
        "step_index": pl.Int32,
        "message_index": pl.Int32,
        "thought": pl.String,
        "actions": pl.List(ACTION),
        "observations": pl.List(pl.String),
        "return_codes": pl.List(pl.Int32),
    }
)

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
    "steps": pl.List(STEP),
}

TRAJECTORIES = pl.Schema(_COLUMNS)


def from_row(row: dict) -> Trajectory:
    """The run of one row (as `frame.iter_rows(named=True)` gives it)."""
    return Trajectory(
        trajectory_id=row["trajectory_id"],
        instance_id=row["instance_id"],
        scaffold=row["scaffold"],
        format=row["format"],
        messages=orjson.loads(row["messages"]),
        steps=[_step(step) for step in row["steps"]],
        model=row["model"],
        exit_status=row["exit_status"],
        submission=row["submission"],
        resolved=row["source_resolved"],
        tools=None if row["tools"] is None else orjson.loads(row["tools"]),
        source=row["source"],
        row=row["source_row"],
        stated_id=row["stated_id"],
    )


def _step(cells: dict) -> Step:
    return Step(**{**cells, "actions": [Action(**action) for action in cells["actions"]]})
