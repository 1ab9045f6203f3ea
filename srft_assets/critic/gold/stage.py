"""The asset `gold_labels`: all gold sets, checked against the runs there are."""

from typing import Any

import polars as pl

from srft_assets.critic.gold.labels import GOLD_LABELS, gold_frame, unfit
from srft_assets.critic.gold.recorded import (
    COLUMNS,
    lab_batches,
    recorded_in,
    recorded_labels,
)
from srft_assets.critic.gold.sets import RECORDED, read_sets
from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work
from srft_assets.warehouse.store import Warehouse

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
What steps really are: labels that people gave (`srft review`, see docs/gold.md), and in the
set `lab` what the scripted teacher said of its own steps. Critics are scored against them.
"""


def gold_labels_stage() -> Stage:
    """The stage; unpartitioned."""
    return Stage(
        key="gold_labels",
        partitioned_by="none",
        upstream=(Upstream("trajectories", "all"),),
        schema=GOLD_LABELS,
        code={"version": VERSION},
        make=_make,
        config_of=_config_of,
        description=DESCRIPTION.strip(),
        kinds=frozenset({"parquet", "json"}),
    )


def known_steps(warehouse: Warehouse, batches: list[str]) -> dict[str, int]:
    """Trajectory id → number of steps, over the batches."""
    counts: dict[str, int] = {}
    for batch in batches:
        frame = warehouse.read("trajectories", batch, columns=["trajectory_id", "n_steps"])
        counts |= dict(frame.iter_rows())
    return counts


def _config_of(home: Home, _: str) -> dict[str, Any]:
    """Contents of the sets, and which recordings there are of generated runs."""
    config: dict[str, Any] = {
        f"gold {name}": digest([label.model_dump() for label in labels])[:16]
        for name, labels in read_sets(home).items()
    }
    for batch in lab_batches(home):
        config[f"recorded {batch}"] = sorted(path.name for path in recorded_in(home, batch))
    return config


def _make(work: Work) -> Made:
    batches = work.input_names("trajectories")
    frames, refused = _of_people(work, known_steps(work.warehouse, batches))
    for batch in sorted(set(lab_batches(work.home)) & set(batches)):
        runs = work.warehouse.read("trajectories", batch, columns=COLUMNS)
        found = list(recorded_labels(work.home, batch, runs))
        refused += [one for one in found if isinstance(one, Refusal)]
        frames.append(gold_frame(RECORDED, [one for one in found if not isinstance(one, Refusal)]))
    frame = pl.concat([GOLD_LABELS.to_frame(), *frames])
    counts = dict(frame.group_by("set").len().sort("set").iter_rows())
    return Made(frame, refused, {f"labels of {name}": count for name, count in counts.items()})


def _of_people(work: Work, steps: dict[str, int]) -> tuple[list[pl.DataFrame], list[Refusal]]:
    frames: list[pl.DataFrame] = []
    refused: list[Refusal] = []
    for name, labels in read_sets(work.home).items():
        reasons = [unfit(label, steps) for label in labels]
        refused += [
            Refusal(f"gold set {name}", reason, label.step_index, label.trajectory_id)
            for label, reason in zip(labels, reasons, strict=True)
            if reason
        ]
        fitting = [label for label, reason in zip(labels, reasons, strict=True) if not reason]
        frames.append(gold_frame(name, fitting))
    return frames, refused
