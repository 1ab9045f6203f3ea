"""The paired differences of a family of arms."""

from collections.abc import Sequence

import polars as pl

from srft_assets.compare.detectable import ALPHA
from srft_assets.compare.difference import Difference, paired_difference


def family_differences(
    scores: pl.DataFrame, family: Sequence[tuple[str, str]], draws: int, seed: int
) -> tuple[list[Difference], list[str]]:
    """Those that can be paired, and a line for each that cannot.

    `detectable` is for the first step of Holm's correction, which asks most.
    """
    found, unpaired = [], []
    scored = scores.filter(pl.col("resolved").is_not_null())
    pairs = {
        name: {*scored.filter(pl.col("arm") == name).select("instance_id", "seed").rows()}
        for name in dict.fromkeys(sum(family, ()))
    }
    can = [(arm, other) for arm, other in family if pairs[arm] & pairs[other]]
    for arm, other in family:
        if (arm, other) not in can:
            what = _lacking(pairs[arm], pairs[other])
            unpaired.append(f"{arm} and {other} have no {what} in common: they are not compared.")
    for arm, other in can:
        alpha = ALPHA / len(can)
        found.append(paired_difference(scores, arm, other, draws=draws, seed=seed, alpha=alpha))
    return found, unpaired


def _lacking(one: set[tuple[str, int]], other: set[tuple[str, int]]) -> str:
    """What is not in both, of tasks with their seeds."""
    for place, what in enumerate(("task", "seed")):
        if not {pair[place] for pair in one} & {pair[place] for pair in other}:
            return what
    return "task with the same seed"
