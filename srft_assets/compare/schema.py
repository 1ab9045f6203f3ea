"""Columns of the two tables of a comparison."""

import polars as pl

ARMS = pl.Schema(
    {
        "arm": pl.String,
        "tasks": pl.Int32,
        "seeds": pl.Int32,
        "attempts": pl.Int32,
        "scored": pl.Int32,
        "resolved": pl.Int32,
        "rate": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "method": pl.String,
        "k": pl.Int32,
        "pass_at_k": pl.Float64,
        "mean_steps": pl.Float64,
        "mean_cost_usd": pl.Float64,
        "contaminated": pl.Int32,
        "approximate": pl.Int32,
    }
)
"""One row an arm. `attempts` counts all rows, `scored` those that the grader did not fail on,
`resolved` those whose patch passes; `rate` (0 to 1) has the 95% interval `low` to `high`, made by
`method`: wilson or bootstrap. `k` is the number of attempts at every task with one seed.
`mean_cost_usd` is over attempts whose cost is known; null where none is. `contaminated` and
`approximate` count marked attempts."""

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
