"""The nested `steps` column, built column by column: thirty times as fast as row by row."""

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import polars as pl
import pyarrow as pa

from srft_assets.trajectories.model import Trajectory

VIEWS = pl.CompatLevel.newest()
"""Texts as polars holds them, so that nothing is copied on the way through Arrow."""


def steps_column(runs: Iterable[Trajectory]) -> pl.Series:
    """One list of steps a run, of the type `List(STEP)` of the `trajectories` schema."""
    runs = list(runs)
    steps = [step for run in runs for step in run.steps]
    actions = [action for step in steps for action in step.actions]
    action = {
        "tool": _leaf([action.tool for action in actions], pl.String),
        "command": _leaf([action.command for action in actions], pl.String),
        "call_id": _leaf([action.call_id for action in actions], pl.String),
    }
    observations = [text for step in steps for text in step.observations]
    codes = [code for step in steps for code in step.return_codes]
    step = {
        "step_index": _leaf([step.step_index for step in steps], pl.Int32),
        "message_index": _leaf([step.message_index for step in steps], pl.Int32),
        "thought": _leaf([step.thought for step in steps], pl.String),
        "actions": _lists([len(step.actions) for step in steps], _struct(action)),
        "observations": _lists(
            [len(step.observations) for step in steps], _leaf(observations, pl.String)
        ),
        "return_codes": _lists([len(step.return_codes) for step in steps], _leaf(codes, pl.Int32)),
    }
    column = _lists([len(run.steps) for run in runs], _struct(step))
    return pl.Series("steps", pl.from_arrow(column))


def _leaf(values: list[Any], kind: type[pl.DataType]) -> pa.Array:
    """Through polars, because `pyarrow.array` of a list imports pandas, which takes seconds."""
    return pl.Series(values, dtype=kind).to_arrow(compat_level=VIEWS)


def _struct(fields: dict[str, Any]) -> pa.StructArray:
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))


def _lists(lengths: list[int], values: pa.Array) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(
        _leaf(list(accumulate(lengths, initial=0)), pl.Int64), values
    )
