"""How far a critic's labels agree with gold labels: F1 and Cohen's kappa, with intervals.

A confusion has gold labels as rows and the critic's as columns, in the order of `LABELS`; a last
column counts steps that the critic left unlabeled. Such a step never agrees: it is a miss. Figures
are computed over any leading axes of confusions at once; undefined ones (0/0) are NaN.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from srft_assets.critic.gold.labels import STEP, majority
from srft_assets.critic.spec import LABELS

Counts = NDArray[np.int64]
Figures = NDArray[np.float64]

TARGETS = (
    *(("label", str(label)) for label in LABELS),
    ("mask", "mistake"),
    ("mask", "mistake+unnecessary"),
    ("all", "all"),
)
"""Question and target of each row: labels one by one, what arms mask (the paper's way, and the
strict way), and the four labels at once."""
CHUNK = 100


def set_rows(
    gold: pl.DataFrame, verdicts: pl.DataFrame, resamples: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of `CRITIC_SCORES` of one gold set, without its name."""
    given = gold.filter(pl.col("label").is_not_null())
    clear, ties = majority(given)
    pairs = clear.rename({"label": "gold"}).join(verdicts, on=STEP, how="inner")
    by_run = confusion_by_run(pairs)
    drawn = resampled(by_run, resamples, seed) if len(by_run) > 1 else None
    between = annotator_confusions(given)
    total = by_run.sum(axis=0)
    common = {
        "steps": pairs.height,
        "runs": len(by_run),
        "unlabeled": int(total[:, -1].sum()),
        "missing": clear.height - pairs.height,
        "ties": ties,
        "annotators": given["annotator"].n_unique(),
    }
    for question, target in TARGETS:
        yield {
            **common,
            "question": question,
            "target": target,
            **_counts(total, target),
            **_figures(total, drawn, target),
            "annotator_kappa": _mean_kappa(between, target),
        }


def confusion_by_run(pairs: pl.DataFrame) -> Counts:
    """[runs, 4, 5] counts of `gold` against `label`, runs in order of their ids."""
    order = {str(label): place for place, label in enumerate(LABELS)}
    runs = pairs["trajectory_id"].rank("dense").to_numpy().astype(np.int64) - 1
    gold = pairs["gold"].replace_strict(order, return_dtype=pl.Int64).to_numpy()
    label = pairs["label"].replace_strict(order, default=len(LABELS), return_dtype=pl.Int64)
    counts = np.zeros((pairs["trajectory_id"].n_unique(), len(LABELS), len(LABELS) + 1), np.int64)
    np.add.at(counts, (runs, gold, label.to_numpy()), 1)
    return counts


def annotator_confusions(labels: pl.DataFrame) -> Counts:
    """[pairs of annotators, 4, 5] over the steps that both labelled."""
    both = labels.join(labels, on=STEP, suffix="_other").filter(
        pl.col("annotator") < pl.col("annotator_other")
    )
    pairs = both.select(
        pl.struct("annotator", "annotator_other").struct.json_encode().alias("trajectory_id"),
        pl.col("label_other").alias("gold"),
        pl.col("label"),
    )
    return confusion_by_run(pairs)


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


def _f1_of(confusion: Counts, target: str) -> Figures:
    if target == "all":
        return macro_f1(confusion)
    return f1(against_rest(confusion, target.split("+")))


def _kappa_of(confusion: Counts, target: str) -> Figures:
    return kappa(confusion if target == "all" else against_rest(confusion, target.split("+")))


def _counts(total: Counts, target: str) -> dict[str, int]:
    """Steps that gold puts into the target, that the critic does, and that both do."""
    if target == "all":
        labelled = total[:, : len(LABELS)]
        predicted, hits = int(labelled.sum()), int(np.trace(labelled))
        return {"support": int(total.sum()), "predicted": predicted, "hits": hits}
    binary = against_rest(total, target.split("+"))
    return {
        "support": int(binary[0].sum()),
        "predicted": int(binary[:, 0].sum()),
        "hits": int(binary[0, 0]),
    }


def _figures(total: Counts, drawn: Counts | None, target: str) -> dict[str, float | None]:
    """F1 and kappa with the ends of their intervals; no interval where there is one run only."""
    found: dict[str, float | None] = {}
    for name, figure in (("f1", _f1_of), ("kappa", _kappa_of)):
        value = float(figure(total, target))
        known = not np.isnan(value)
        ends = interval(figure(drawn, target)) if known and drawn is not None else (None, None)
        found |= {name: value if known else None, f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return found


def _mean_kappa(between: Counts, target: str) -> float | None:
    """Kappa between annotators, pairs weighted by the steps both labelled."""
    each = _kappa_of(between, target)
    steps = between.sum(axis=(1, 2))[~np.isnan(each)]
    return float(np.average(each[~np.isnan(each)], weights=steps)) if steps.sum() else None
