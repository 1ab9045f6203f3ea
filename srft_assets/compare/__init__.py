"""Statistics of evaluation scores, for notebooks as for the platform.

from srft_assets.compare import compare_arms

scores = pl.DataFrame({"arm": …, "seed": …, "instance_id": …, "resolved": …})
comparison = compare_arms(scores, against="rft")
comparison.arms, comparison.pairs
"""

from srft_assets.compare.arms import Comparison, compare_arms
from srft_assets.compare.difference import (
    Difference,
    detectable_by_error,
    detectable_pairs,
    holm,
    mcnemar,
    paired_difference,
)
from srft_assets.compare.rates import (
    DRAWS,
    SEED,
    Cells,
    Rate,
    cells_of,
    pass_at_k,
    rate_of,
    wilson_interval,
)
from srft_assets.compare.report import verdict_of

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
