"""Figures of agreement, vectorized over any leading axes of confusion counts.

A confusion has gold labels as rows and the critic's as columns, in the order of `LABELS`; a last
column counts steps that the critic left unlabeled. Such a step never agrees: it is a miss.
Undefined figures (0/0) are NaN.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from srft_assets.critic.spec import LABELS

Counts = NDArray[np.int64]
Figures = NDArray[np.float64]


def against_rest(confusion: Counts, targets: Sequence[str]) -> Counts:
    """[…, 4, 5] to […, 2, 3]: the targets, the other labels, and unlabeled."""
    inside = np.array([label in targets for label in LABELS])
    rows = np.stack([confusion[..., side, :].sum(axis=-2) for side in (inside, ~inside)], axis=-2)
    labelled = rows[..., : len(LABELS)]
    columns = [labelled[..., side].sum(axis=-1) for side in (inside, ~inside)]
    return np.stack([*columns, rows[..., -1]], axis=-1)


def f1(binary: Counts) -> Figures:
    """F1 of the target of a [2, 3] confusion."""
    hits = binary[..., 0, 0]
    return _ratio(2 * hits, binary[..., 0, :].sum(axis=-1) + binary[..., :, 0].sum(axis=-1))


def macro_f1(confusion: Counts) -> Figures:
    """Mean F1 over the labels that gold or the critic uses."""
    each = np.stack([f1(against_rest(confusion, [label])) for label in LABELS], axis=-1)
    defined = ~np.isnan(each)
    return _ratio(np.where(defined, each, 0.0).sum(axis=-1), defined.sum(axis=-1))


def kappa(confusion: Counts) -> Figures:
    """Cohen's kappa (1960). Rows and leading columns are the same categories, in one order."""
    categories = confusion.shape[-2]
    total = confusion.sum(axis=(-1, -2))
    agreed = np.trace(confusion[..., :categories], axis1=-2, axis2=-1)
    rows = confusion.sum(axis=-1)
    columns = confusion.sum(axis=-2)[..., :categories]
    # Both sides times total², so that no rounding hides a denominator of 0.
    chance = (rows * columns).sum(axis=-1)
    return _ratio(agreed * total - chance, total * total - chance)


def _ratio(above: NDArray, below: NDArray) -> Figures:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below == 0, np.nan, above / below)


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
