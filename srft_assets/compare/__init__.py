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

__all__ = ["ALPHA", "ARMS", "ARM_RATES", "DRAWS", "PAIRS", "SEED", "Comparison", "compare_arms"]

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
        "left_out": pl.Int32,
        "mean_steps": pl.Float64,
        "mean_cost_usd": pl.Float64,
        "contaminated": pl.Int32,
        "approximate": pl.Int32,
        "tainted": pl.Int32,
    }
)
"""One row an arm. `attempts` counts all rows, `scored` those that the grader did not fail on,
`resolved` those whose patch passes; `rate` (0 to 1) has the 95% interval `low` to `high`, made by
`method`: wilson or bootstrap. `pass_at_k` is over the tasks that have at least `k` scored attempts
with a seed; `left_out` counts those that were played with fewer (see `usual_attempts`).
`mean_cost_usd` is over attempts whose cost is known; null where none is. `contaminated`,
`approximate` and `tainted` count marked attempts."""

_RATE = ("arm", "tasks", "seeds", "scored", "resolved", "rate", "low", "high", "method")
ARM_RATES = pl.Schema({name: ARMS[name] for name in _RATE})
"""One row an arm of the asset `comparison`: its rate with the interval, as in `Rate`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.arms"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
