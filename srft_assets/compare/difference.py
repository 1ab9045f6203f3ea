"""Two arms on the same tasks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from srft_assets.compare.bootstrap import (
    DRAWS,
    SEED,
    Grid,
    interval_of,
    p_value_of,
    resampled_ratio,
)
from srft_assets.compare.cells import Cells, cells_of
from srft_assets.compare.detectable import ALPHA, detectable_by_error, detectable_pairs
from srft_assets.compare.mcnemar import fewest_discordant, mcnemar
from srft_assets.compare.wilson import wilson_interval
from srft_assets.errors import SrftError


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
    confidence: float = 0.95,
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
    gap = np.where(paired > 0, _share(one) - _share(other), 0.0)
    pairs, size = int(paired.sum()), int(paired.any(axis=1).sum())
    single = one.single and other.single
    seen = resampled_ratio(gap, paired, draws, seed)
    low, high = _interval(gap, paired, seen, confidence)
    wins, losses = int((gap > 0).sum()), int((gap < 0).sum())
    if single:
        detectable = detectable_pairs(pairs, (wins + losses) / pairs, alpha)
    else:
        detectable = _by_error(float(seen.std()), size, alpha)
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


def _share(cells: Cells) -> Grid:
    return cells.resolved / np.maximum(cells.scored, 1)


def _interval(gap: Grid, paired: Grid, seen: Grid, confidence: float) -> tuple[float, float]:
    """Where all pairs differ alike, resamples cannot differ: then that of a task that would.

    No such task among n: Wilson's upper end of 0 in n bounds how many there are, and each moves
    the difference by at most that share.
    """
    values = gap[paired > 0]
    if np.ptp(values) > 0:
        return interval_of(seen, confidence, (-1.0, 1.0))
    _, room = wilson_interval(0, int(paired.any(axis=1).sum()), confidence) or (0.0, 1.0)
    middle = float(values[0])
    return max(-1.0, middle - room), min(1.0, middle + room)


def _by_error(error: float, tasks: int, alpha: float) -> float | None:
    """At least what so many discordant tasks make that the sign of them all could be chance."""
    found = detectable_by_error(error, alpha)
    least = fewest_discordant(alpha) / tasks
    return None if found is None or least > 1 else max(found, least)
