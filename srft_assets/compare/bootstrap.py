"""Resampling tasks and seeds together."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]
"""[tasks, seeds]."""

DRAWS = 10_000
SEED = 20_260_101
"""Of the draws: the same scores give the same intervals."""


def resampled_ratio(above: Grid, below: Grid, draws: int = DRAWS, seed: int = SEED) -> Grid:
    """Σ above / Σ below in `draws` resamples of tasks and, independently, of seeds: [draws].

    Both are drawn with replacement, each as many as there are; an element counts as often as its
    task was drawn times as often as its seed was ("pigeonhole bootstrap"; Owen, Annals of Applied
    Statistics 2007). All seeds share the tasks, so seeds may not be drawn within a task, nor tasks
    within a seed. A single seed is kept: what other seeds would do cannot be seen in it. Its
    variance is never too small in expectation but for the factor (seeds − 1) / seeds, and too
    large where neither tasks nor seeds differ. Draws that hold nothing are left out.
    """
    tasks, seeds = above.shape
    by_task = drawn(tasks, draws, seed)
    by_seed = drawn(seeds, draws, seed + 1) if seeds > 1 else np.ones((draws, 1))
    summed = ((by_task @ above) * by_seed).sum(axis=1)
    counted = ((by_task @ below) * by_seed).sum(axis=1)
    return summed[counted > 0] / counted[counted > 0]


@lru_cache(maxsize=4)
def drawn(things: int, draws: int, seed: int) -> Grid:
    """How often each of `things` comes in each resample: [draws, things]."""
    generator = np.random.default_rng(seed)
    chances = np.full(things, 1 / things)
    return generator.multinomial(things, chances, size=draws).astype(np.float64)


def interval_of(values: Grid, confidence: float) -> tuple[float, float]:
    """Percentile interval."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def p_value_of(differences: Grid) -> float:
    """Two-sided p-value of "no difference": twice the share of draws on the rarer side of 0.

    It agrees with the percentile interval: below 0.05 where the 95% interval leaves 0 out. The
    draw that was seen counts too (Davison and Hinkley 1997, section 4.2), so it is never 0.
    """
    near = 1e-12
    rarer = min((differences <= near).sum(), (differences >= -near).sum())
    return min(1.0, 2 * (1 + int(rarer)) / (1 + len(differences)))
