"""The `checkpoints` partition: one row, one trained model."""

from typing import Any

import polars as pl

POINT: pl.DataType = pl.Struct({"step": pl.Int32, "loss": pl.Float64, "learning_rate": pl.Float64})

COLUMNS: dict[str, Any] = {
    "arm": pl.String,
    "seed": pl.Int32,
    "path": pl.String,
    "base_model": pl.String,
    "method": pl.String,
    "steps": pl.Int32,
    "rows": pl.Int32,
    "tokens": pl.Int64,
    "trained_tokens": pl.Int64,
    "padding_share": pl.Float64,
    "final_loss": pl.Float64,
    "loss_curve": pl.List(POINT),
    "weights_sha256": pl.String,
    "seconds": pl.Float64,
    "peak_memory_mb": pl.Float64,
}
CHECKPOINTS = pl.Schema(COLUMNS)
"""`path` is relative to the platform's root where it lies inside. `tokens` and `trained_tokens`
count the distinct rows once. `final_loss` is the mean of the last tenth of `loss_curve`."""

VOLATILE = ("path", "seconds", "peak_memory_mb")
"""Columns that say nothing about the weights; `weights_sha256` does."""
