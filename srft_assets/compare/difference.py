"""Two arms on the same tasks: their paired differences, and how large one must be to be shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
import polars as pl

from srft_assets.compare import ALPHA, DRAWS, SEED
from srft_assets.compare.rates import (
    Grid,
    cells_of,
    interval_of,
    p_value_of,
    resampled_ratio,
    wilson_interval,
)
from srft_assets.errors import SrftError


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947).

    `only_a` and `only_b` count the discordant pairs: tasks that one arm alone resolves. Under the
    null hypothesis each falls to either side with chance 1/2, so the p-value is binomial; tasks
    that both or neither resolve say nothing. 1.0 where no pair is discordant. Raises ValueError
    for a negative count.
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"{only_a} and {only_b} discordant pairs")
    if not only_a + only_b:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(min(only_a, only_b), only_a + only_b, 0.5).pvalue)


def fewest_discordant(alpha: float) -> int:
    """Discordant pairs, all to one side, that the exact test needs for a p-value below `alpha`."""
    count = 1
    while mcnemar(count, 0) >= alpha:
        count += 1
    return count


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values (Holm 1979) in the order given; None stays None and is no test.

    Whoever calls differences real where the adjusted value is below 0.05 calls a difference that
    is none real in at most 5% of such families, however the tests depend on one another. Raises
    ValueError for a value outside 0 to 1.
    """
    tests = [place for place, value in enumerate(p_values) if value is not None]
    if any(not 0 <= value <= 1 for value in p_values if value is not None):
        raise ValueError(f"p-values lie between 0 and 1: {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    # Not statsmodels, which would add five packages and 1.5 s of imports for these lines.
    for rank, place in enumerate(sorted(tests, key=lambda place: p_values[place] or 0.0)):
        least = min(1.0, max(least, (len(tests) - rank) * (p_values[place] or 0.0)))
        adjusted[place] = least
    return adjusted


POWER = 0.8


def detectable_pairs(pairs: int, discordant_rate: float, alpha: float = ALPHA) -> float | None:
    """Smallest difference of two rates that McNemar's test finds with POWER, 0 to 1.

    `pairs` tasks, one attempt of each arm at each; `discordant_rate` is the share that one arm
    alone resolves. It is the difference d for which Miettinen's sample size (Biometrics 1968;
    Connor, Biometrics 1987, equation 2.2), n = (z₁₋α/₂ √ψ + z_power √(ψ − d²))² / d², is `pairs`.
    It is never below what the exact test needs at least: that many discordant pairs, all to one
    side. None where even a difference of 1 is out of reach. Raises ValueError for a rate outside
    0 to 1 or without pairs.
    """
    if pairs < 1 or not 0 <= discordant_rate <= 1:
        raise ValueError(f"a discordant rate of {discordant_rate} in {pairs} pairs")
    z, z_power = _quantiles(alpha)
    under_root = pairs + z_power**2 - z**2
    if under_root <= 0:
        return None
    solved = sqrt(discordant_rate) * (z * sqrt(pairs) + z_power * sqrt(under_root))
    found = max(solved / (pairs + z_power**2), fewest_discordant(alpha) / pairs)
    return found if found <= 1 else None


def detectable_by_error(error: float, tasks: int, alpha: float = ALPHA) -> float | None:
    """The same from the standard error of the difference: (z₁₋α/₂ + z_power) · error.

    Bloom, "Minimum detectable effects", Evaluation Review 1995. For several seeds or attempts,
    where pairs are not independent and the error comes of a bootstrap. At least what so many
    discordant tasks make that the sign of them all could be chance; None above 1.
    """
    found = max(sum(_quantiles(alpha)) * error, fewest_discordant(alpha) / tasks)
    return found if found <= 1 else None


def _quantiles(alpha: float) -> tuple[float, float]:
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / 2), normal.inv_cdf(POWER)


@dataclass(frozen=True, slots=True)
class Difference:
    """`arm` minus `against`, over the tasks and seeds that both have scores of.

    Attributes:
        tasks, seeds: how many were paired.
        pairs: (task, seed) that both have scores of.
        only_arm, only_against: pairs that one alone resolves; with several attempts a pair, those
            in which it resolves the larger share.
        difference: mean difference of the resolved shares over the pairs, −1 to 1.
        low, high: ends of its bootstrap interval over tasks and seeds.
        p_value: of no difference; exact McNemar for one attempt a task, else of the bootstrap.
        test: which of the two.
        detectable: smallest difference shown with 80% power at `alpha`; None: none at all.
    """

    arm: str
    against: str
    tasks: int
    seeds: int
    pairs: int
    only_arm: int
    only_against: int
    difference: float
    low: float
    high: float
    p_value: float
    test: Literal["mcnemar", "bootstrap"]
    detectable: float | None


def paired_difference(
    scores: pl.DataFrame,
    arm: str,
    against: str,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
    alpha: float = ALPHA,
) -> Difference:
    """Compare two arms, paired by task and seed; attempts at the same task and seed are averaged.

    `scores` has the columns arm, seed, instance_id, resolved (null: no score). Raises SrftError
    where the arms have no task and seed in common.
    """
    one, other = cells_of(scores, arm), cells_of(scores, against)
    tasks = tuple(sorted({*one.tasks} & {*other.tasks}))
    seeds = tuple(sorted({*one.seeds} & {*other.seeds}))
    if not tasks or not seeds:
        what = "seed" if tasks else "task"
        raise SrftError(f"{arm} and {against} have no {what} in common: nothing can be paired")
    one, other = one.at(tasks, seeds), other.at(tasks, seeds)
    paired = ((one.scored > 0) & (other.scored > 0)).astype(np.float64)
    if not paired.any():
        raise SrftError(f"{arm} and {against} have no scored pair: nothing can be paired")
    shares = (cells.resolved / np.maximum(cells.scored, 1) for cells in (one, other))
    gap = np.where(paired > 0, np.subtract(*shares), 0.0)
    pairs, size = int(paired.sum()), int(paired.any(axis=1).sum())
    single = one.single and other.single
    seen = resampled_ratio(gap, paired, draws, seed)
    low, high = _interval(gap, paired, seen)
    wins, losses = int((gap > 0).sum()), int((gap < 0).sum())
    if single:
        detectable = detectable_pairs(pairs, (wins + losses) / pairs, alpha)
    else:
        detectable = detectable_by_error(float(seen.std()), size, alpha)
    return Difference(
        arm=arm,
        against=against,
        tasks=size,
        seeds=int(paired.any(axis=0).sum()),
        pairs=pairs,
        only_arm=wins,
        only_against=losses,
        difference=float(gap.sum() / pairs),
        low=low,
        high=high,
        p_value=mcnemar(wins, losses) if single else p_value_of(seen),
        test="mcnemar" if single else "bootstrap",
        detectable=detectable,
    )


def _interval(gap: Grid, paired: Grid, seen: Grid) -> tuple[float, float]:
    """Where all pairs differ alike, resamples cannot differ: then that of a task that would.

    No such task among n: Wilson's upper end of 0 in n bounds how many there are, and each moves
    the difference by at most that share.
    """
    values = gap[paired > 0]
    if np.ptp(values) > 0:
        return interval_of(seen, (-1.0, 1.0))
    _, room = wilson_interval(0, int(paired.any(axis=1).sum())) or (0.0, 1.0)
    middle = float(values[0])
    return max(-1.0, middle - room), min(1.0, middle + room)


def family_differences(
    scores: pl.DataFrame, family: Sequence[tuple[str, str]], draws: int, seed: int
) -> tuple[list[Difference], list[str]]:
    """Those that can be paired, and a line for each that cannot.

    `detectable` is for the first step of Holm's correction, which asks most.
    """
    scored = scores.filter(pl.col("resolved").is_not_null())
    pairs = {
        name: {*scored.filter(pl.col("arm") == name).select("instance_id", "seed").rows()}
        for name in dict.fromkeys(sum(family, ()))
    }
    can = [(arm, other) for arm, other in family if pairs[arm] & pairs[other]]
    found = [
        paired_difference(scores, *pair, draws=draws, seed=seed, alpha=ALPHA / len(can))
        for pair in can
    ]
    unpaired = [
        f"{arm} and {other} have no {_lacking(pairs[arm], pairs[other])} in common: "
        "they are not compared."
        for arm, other in family
        if (arm, other) not in can
    ]
    return found, unpaired


def _lacking(one: set[tuple[str, int]], other: set[tuple[str, int]]) -> str:
    """What is not in both, of tasks with their seeds."""
    for place, what in enumerate(("task", "seed")):
        if not {pair[place] for pair in one} & {pair[place] for pair in other}:
            return what
    return "task with the same seed"
