"""Statistics of evaluation scores, for notebooks as for the platform.

from srft_assets.compare import compare_arms

scores = pl.DataFrame({"arm": …, "seed": …, "instance_id": …, "resolved": …})
comparison = compare_arms(scores, against="rft")
comparison.arms, comparison.pairs
"""

from srft_assets.compare.arms import Comparison, compare_arms
from srft_assets.compare.bootstrap import DRAWS, SEED
from srft_assets.compare.cells import Cells, cells_of
from srft_assets.compare.detectable import detectable_by_error, detectable_pairs
from srft_assets.compare.difference import Difference, paired_difference
from srft_assets.compare.holm import holm
from srft_assets.compare.mcnemar import mcnemar
from srft_assets.compare.pass_at_k import pass_at_k
from srft_assets.compare.rate import Rate, rate_of
from srft_assets.compare.verdict import verdict_of
from srft_assets.compare.wilson import wilson_interval

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
