"""Rows of the asset `comparison`, and what decides its intervals."""

import polars as pl

DRAWS = 10_000
SEED = 20_260_101
"""Of the draws: the same scores give the same intervals."""

PAIRS = pl.Schema(
    {
        "arm": pl.String,
        "against": pl.String,
        "tasks": pl.Int32,
        "seeds": pl.Int32,
        "pairs": pl.Int32,
        "only_arm": pl.Int32,
        "only_against": pl.Int32,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "p_value": pl.Float64,
        "p_holm": pl.Float64,
        "test": pl.String,
        "detectable": pl.Float64,
    }
)
"""One row a pair of arms: `arm` minus `against`, as `Difference` says; `p_holm` is `p_value` after
Holm's correction over all rows. `detectable` is for the strictest step of that correction."""
