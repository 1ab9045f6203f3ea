"""Whose labels mask the steps of an arm: a critic's, or people's."""

from collections.abc import Mapping

import polars as pl

from srft_assets.critic.gold.labels import majority
from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError
from srft_assets.tokens.arm import ArmSpec
from srft_assets.warehouse.stage import Work
from srft_assets.warehouse.store import ONLY

Labels = Mapping[str, Mapping[int, Label]]
"""Trajectory id → step_index → label."""

RESOLUTION = "srft_assets.critic.gold.labels"
"""Module that makes one gold label of what several annotators said."""


def labels_of(arm: ArmSpec, work: Work) -> Labels:
    """Labels of the batch's steps, of a gold set those of all batches.

    Raises SrftError for a gold set that is not there.
    """
    if arm.gold is not None:
        return _by_run(_gold(arm, work))
    if arm.critic is None:
        return {}
    return _by_run(work.read(f"step_verdicts/{arm.critic}"))


def _gold(arm: ArmSpec, work: Work) -> pl.DataFrame:
    labels = work.read("gold_labels", ONLY)
    found = labels.filter(pl.col("set") == arm.gold, pl.col("label").is_not_null())
    if found.is_empty():
        there = ", ".join(sorted(labels["set"].unique())) or "none"
        raise SrftError(f"arm {arm.name}: no label in the gold set {arm.gold!r}; sets: {there}")
    return majority(found)[0]


def _by_run(frame: pl.DataFrame) -> Labels:
    labels: dict[str, dict[int, Label]] = {}
    for trajectory_id, step, label in frame["trajectory_id", "step_index", "label"].iter_rows():
        labels.setdefault(trajectory_id, {})[step] = Label(label)
    return labels
