"""The gold sets of a platform at a glance."""

import polars as pl

from srft_assets.critic.gold.labels import GOLD_LABELS, gold_frame
from srft_assets.critic.gold.sets import RECORDED, read_set, set_paths
from srft_assets.critic.spec import LABELS
from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.warehouse.store import Warehouse


def overview(home: Home) -> tuple[pl.DataFrame, list[Refusal]]:
    """One row a set with its counts, and lines that cannot be read.

    Files are read as they are now; what generated runs say, as `gold_labels` was made last.
    """
    frames = [GOLD_LABELS.to_frame()]
    refused: list[Refusal] = []
    for path in set_paths(home):
        labels, bad = read_set(path)
        frames.append(gold_frame(path.stem, [label for _, label in labels]))
        refused += bad
    warehouse = Warehouse(home.warehouse)
    if warehouse.stamp("gold_labels") is not None:
        frames.append(warehouse.read("gold_labels").filter(set=RECORDED))
    counts = [(pl.col("label") == str(label)).sum().alias(str(label)) for label in LABELS]
    sets = (
        pl.concat(frames)
        .group_by("set")
        .agg(
            pl.col("label").is_not_null().sum().alias("labels"),
            pl.col("trajectory_id").n_unique().alias("runs"),
            pl.col("annotator").n_unique().alias("annotators"),
            *counts,
            pl.col("label").is_null().sum().alias("skipped"),
        )
    )
    return sets.sort("set"), refused
