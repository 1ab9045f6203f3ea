"""The `masked_tokens` partition: one row a run."""

from typing import Any

import polars as pl

SPAN: pl.DataType = pl.Struct(
    {
        "step_index": pl.Int32,
        "start": pl.Int32,
        "end": pl.Int32,
        "trained": pl.Boolean,
        "label": pl.String,
    }
)
"""Half-open token span of one assistant turn (text and end-of-turn token)."""

_COLUMNS: dict[str, Any] = {
    "trajectory_id": pl.String,
    "instance_id": pl.String,
    "status": pl.String,
    "input_ids": pl.List(pl.Int32),
    "spans": pl.List(SPAN),
    "n_tokens": pl.Int32,
    "n_trained": pl.Int32,
    "n_masked": pl.Int32,
}

MASKED_TOKENS = pl.Schema(_COLUMNS)
"""Labels are `input_ids` inside the trained spans and -100 elsewhere. `n_masked` counts the
tokens of assistant turns that carry no loss; the context (system, user, tool) is neither."""
