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
    """Σ above / Σ below in `draws` resamples of tasks and of seeds: [draws].

    All seeds share the tasks, so tasks are drawn with the attempts of all seeds, seeds with those
    at all tasks, each with replacement and as many as there are, and the two deviations from the
    ratio are added. Drawing both into one resample (Owen's pigeonhole bootstrap, Annals of Applied
    Statistics 2007) counts the chance of a single attempt three times; this counts it
    2 − 1/seeds times, and the seeds' own spread (seeds − 1)/seeds times. A single seed is kept:
    what others would do cannot be seen in it. Draws that hold nothing are left out.
    """
    tasks, seeds = above.shape
    ratio = above.sum() / below.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        found = _ratios(above, below, 1, drawn(tasks, draws, seed))
        if seeds > 1:
            found += _ratios(above, below, 0, drawn(seeds, draws, seed + 1)) - ratio
    return found[~np.isnan(found)]


def _ratios(above: Grid, below: Grid, axis: int, weights: Grid) -> Grid:
    return (weights @ above.sum(axis=axis)) / (weights @ below.sum(axis=axis))


@lru_cache(maxsize=4)
def drawn(things: int, draws: int, seed: int) -> Grid:
    """How often each of `things` comes in each resample: [draws, things]."""
    generator = np.random.default_rng(seed)
    chances = np.full(things, 1 / things)
    return generator.multinomial(things, chances, size=draws).astype(np.float64)


def interval_of(
    values: Grid, confidence: float, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Percentile interval, within what is possible."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return max(bounds[0], float(low)), min(bounds[1], float(high))


def p_value_of(differences: Grid) -> float:
    """Two-sided p-value of "no difference": twice the share of draws on the rarer side of 0.

    It agrees with the percentile interval: below 0.05 where the 95% interval leaves 0 out. The
    draw that was seen counts too (Davison and Hinkley 1997, section 4.2), so it is never 0.
    """
    near = 1e-12
    rarer = min((differences <= near).sum(), (differences >= -near).sum())
    return min(1.0, 2 * (1 + int(rarer)) / (1 + len(differences)))
