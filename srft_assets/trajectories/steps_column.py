"""The nested `steps` column, built leaf by leaf: thirty times as fast as row by row."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa

from srft_assets.trajectories.model import Step

VIEWS = pl.CompatLevel.newest()
"""Texts as polars holds them, so that nothing is copied on the way through Arrow."""


class Leaves(NamedTuple):
    """Steps as one list a leaf of the column, and as one of lengths where there are lists."""

    n_steps: list[int]
    step_index: list[int]
    message_index: list[int]
    thought: list[str]
    n_actions: list[int]
    tool: list[str]
    command: list[str]
    call_id: list[str | None]
    n_observations: list[int]
    observations: list[str]
    n_codes: list[int]
    return_codes: list[int | None]


def leaves_of(steps: Sequence[Step]) -> Leaves:
    """Those of one run."""
    actions = [action for step in steps for action in step.actions]
    return Leaves(
        n_steps=[len(steps)],
        step_index=[step.step_index for step in steps],
        message_index=[step.message_index for step in steps],
        thought=[step.thought for step in steps],
        n_actions=[len(step.actions) for step in steps],
        tool=[action.tool for action in actions],
        command=[action.command for action in actions],
        call_id=[action.call_id for action in actions],
        n_observations=[len(step.observations) for step in steps],
        observations=[text for step in steps for text in step.observations],
        n_codes=[len(step.return_codes) for step in steps],
        return_codes=[code for step in steps for code in step.return_codes],
    )


def steps_column(runs: Iterable[Leaves]) -> pl.Series:
    """One list of steps a run, of the type `List(STEP)` of the `trajectories` schema."""
    none = Leaves(*([] for _ in Leaves._fields))
    all = Leaves(*(list(chain.from_iterable(parts)) for parts in zip(none, *runs, strict=True)))
    action = {
        "tool": _leaf(all.tool, pl.String),
        "command": _leaf(all.command, pl.String),
        "call_id": _leaf(all.call_id, pl.String),
    }
    step = {
        "step_index": _leaf(all.step_index, pl.Int32),
        "message_index": _leaf(all.message_index, pl.Int32),
        "thought": _leaf(all.thought, pl.String),
        "actions": _lists(all.n_actions, _struct(action)),
        "observations": _lists(all.n_observations, _leaf(all.observations, pl.String)),
        "return_codes": _lists(all.n_codes, _leaf(all.return_codes, pl.Int32)),
    }
    return pl.Series("steps", pl.from_arrow(_lists(all.n_steps, _struct(step))))


def _leaf(values: list[Any], kind: type[pl.DataType]) -> pa.Array:
    """Through polars, because `pyarrow.array` of a list imports pandas, which takes seconds."""
    return pl.Series(values, dtype=kind).to_arrow(compat_level=VIEWS)


def _struct(fields: dict[str, Any]) -> pa.StructArray:
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))


def _lists(lengths: list[int], values: pa.Array) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(
        _leaf(list(accumulate(lengths, initial=0)), pl.Int64), values
    )
