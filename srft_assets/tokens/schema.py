"""The `masked_tokens` partition: one row a run, or several where too long runs are split."""

from typing import Any

import polars as pl

SPAN: pl.DataType = pl.Struct(
    {
        "step_index": pl.Int32,
        "start": pl.Int32,
        "end": pl.Int32,
        "trained": pl.Boolean,
        "label": pl.String,
        "weight": pl.Float32,
    }
)
"""Half-open token span of one assistant turn (text and end-of-turn token). `weight` is the loss
weight of a trained one, NULL for 1."""

_COLUMNS: dict[str, Any] = {
    "trajectory_id": pl.String,
    "instance_id": pl.String,
    "status": pl.String,
    "input_ids": pl.List(pl.Int32),
    "spans": pl.List(SPAN),
    "n_tokens": pl.Int32,
    "n_trained": pl.Int32,
    "n_masked": pl.Int32,
    "part": pl.Int32,
}

MASKED_TOKENS = pl.Schema(_COLUMNS)
"""Labels are `input_ids` inside the trained spans and -100 elsewhere. `n_masked` counts the
tokens of assistant turns that carry no loss; the context (system, user, tool) is neither. `part`
counts the rows of a run from 0: each step has its span in one of them only, and is context where
another shows it again."""
