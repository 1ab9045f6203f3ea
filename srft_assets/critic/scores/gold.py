"""One gold label a step, from what several annotators said."""

import numpy as np
import polars as pl

from srft_assets.critic.scores.figures import Counts
from srft_assets.critic.spec import LABELS

STEP = ["trajectory_id", "step_index"]


def majority(labels: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The label that most annotators gave, one row a step, and how many steps had none.

    A tie says nothing of the step. `labels`: rows of one set, skipped ones left out.
    """
    votes = labels.group_by(*STEP, "label").len("votes")
    best = votes.filter(pl.col("votes") == pl.col("votes").max().over(STEP))
    clear = best.filter(pl.len().over(STEP) == 1)
    ties = best.select(STEP).n_unique() - clear.height if best.height else 0
    return clear.select(*STEP, "label"), ties


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
