"""Columns of the ledger, as its Parquet files and the catalogue hold them."""

import polars as pl

LEDGER = pl.Schema(
    {
        "key": pl.String,
        "digest": pl.String,
        "content": pl.String,
        "refusal": pl.String,
        "finish_reason": pl.String,
        "model": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "cached_tokens": pl.Int64,
        "seconds": pl.Float64,
        "retries": pl.Int64,
        "at": pl.String,
        "critic": pl.String,
        "about": pl.String,
        "exact": pl.String,
    }
)
"""`srft_assets.critic.call.Reply`; `digest` of its line; `exact`, see `critic.ledger.record`."""
