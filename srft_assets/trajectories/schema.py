"""The `trajectories` partition: one row a run, its steps nested, so that one file is one state."""

from collections.abc import Iterable
from dataclasses import asdict

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

TRAJECTORIES = pl.Schema(
    {
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
)


def to_frame(runs: Iterable[Trajectory], batch: str) -> pl.DataFrame:
    """Rows of the `trajectories` partition `batch`; messages and tools become JSON text."""
    return pl.DataFrame([_row(run, batch) for run in runs], schema=TRAJECTORIES, orient="row")


def _row(run: Trajectory, batch: str) -> dict[str, object]:
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
        "steps": [asdict(step) for step in run.steps],
    }


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
