"""A few runs of each task, chosen the same way in every batch and over all of them."""

import hashlib

import polars as pl

NO_TASK = "unknown"
"""Instance id of runs whose source names no task."""


def within_cap(runs: pl.DataFrame, cap: int, seed: int) -> pl.Series:
    """Whether each row belongs to the first `cap` runs of its instance.

    `runs`: `trajectory_id` (a run may have several rows) and `instance_id`. The order is that of
    the SHA-256 of seed and trajectory id: as good as random, the same whatever other runs there
    are. So the first of all batches are among the first of their own batch.
    """
    names = runs["trajectory_id"].unique().sort()
    keys = [hashlib.sha256(f"{seed} {name}".encode()).digest() for name in names]
    order = pl.DataFrame({"trajectory_id": names, "key": keys}, schema_overrides={"key": pl.Binary})
    ranked = runs.join(order, on="trajectory_id", how="left", maintain_order="left")
    place = ranked.select(pl.col("key").rank("dense").over("instance_id") <= cap)[:, 0]
    return place | (runs["instance_id"] == NO_TASK)
