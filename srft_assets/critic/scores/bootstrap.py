"""Intervals that know that the steps of a run belong together."""

import numpy as np

from srft_assets.critic.scores.figures import Counts, Figures

CHUNK = 100


def resampled(by_run: Counts, resamples: int, seed: int) -> Counts:
    """Confusions of `resamples` draws of runs, with replacement: [runs, …] to [resamples, …].

    Whole runs are drawn (cluster bootstrap; Field and Welsh 2007): steps of one run are alike,
    and drawing steps would make the interval too narrow.
    """
    runs = len(by_run)
    generator = np.random.default_rng(seed)
    flat = by_run.reshape(runs, -1)
    drawn = []
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        drawn.append(generator.multinomial(runs, np.full(runs, 1 / runs), size=size) @ flat)
    return np.concatenate(drawn).reshape(resamples, *by_run.shape[1:])


def interval(figures: Figures, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Percentile interval; draws in which the figure is undefined do not count.

    None where it is undefined in more than half of them: the rest would be a selection.
    """
    defined = figures[~np.isnan(figures)]
    if 2 * len(defined) < len(figures) or len(defined) == 0:
        return None, None
    tail = 50 * (1 - confidence)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)
