"""Statistics of evaluation scores, for notebooks as for the platform.

from srft_assets.compare import compare_arms

scores = pl.DataFrame({"arm": …, "seed": …, "instance_id": …, "resolved": …})
comparison = compare_arms(scores, against="rft")
comparison.arms, comparison.pairs

Modules are loaded when something of them is first asked for: a plan knows of the comparison, and
needs no numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srft_assets.compare.arms import Comparison, compare_arms
    from srft_assets.compare.difference import (
        Difference,
        detectable_by_error,
        detectable_pairs,
        holm,
        mcnemar,
        paired_difference,
    )
    from srft_assets.compare.rates import Cells, Rate, cells_of, pass_at_k, rate_of, wilson_interval
    from srft_assets.compare.report import verdict_of
    from srft_assets.compare.schema import DRAWS, SEED

__all__ = [
    "DRAWS",
    "SEED",
    "Cells",
    "Comparison",
    "Difference",
    "Rate",
    "cells_of",
    "compare_arms",
    "detectable_by_error",
    "detectable_pairs",
    "holm",
    "mcnemar",
    "paired_difference",
    "pass_at_k",
    "rate_of",
    "verdict_of",
    "wilson_interval",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("schema", "rates", "difference", "arms", "report"):
            found = import_module(f"{__name__}.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
