"""Statistics of evaluation scores, for notebooks as for the platform.

from srft_assets.compare import compare_arms

scores = pl.DataFrame({"arm": …, "seed": …, "instance_id": …, "resolved": …})
comparison = compare_arms(scores, against="rft")
comparison.arms, comparison.pairs

What needs numpy is loaded when it is first asked for: a plan knows of the comparison, without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from srft_assets.compare.arms import Comparison, compare_arms

__all__ = ["ALPHA", "ARM_RATES", "DRAWS", "PAIRS", "SEED", "Comparison", "compare_arms"]

ALPHA = 0.05
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

ARM_RATES = pl.Schema(
    {
        "arm": pl.String,
        "tasks": pl.Int32,
        "seeds": pl.Int32,
        "scored": pl.Int32,
        "resolved": pl.Int32,
        "rate": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "method": pl.String,
    }
)
"""One row an arm of the asset `comparison`: its rate with the interval, as in `Rate`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.arms"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
