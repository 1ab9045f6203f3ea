"""The asset `gold_labels`: all gold sets, checked against the runs there are."""

import hashlib
from typing import Any

import polars as pl

from srft_assets.critic.gold.labels import GOLD_LABELS, gold_frame, unfit
from srft_assets.critic.gold.recorded import (
    COLUMNS,
    lab_batches,
    recorded_in,
    recorded_labels,
)
from srft_assets.critic.gold.sets import RECORDED, read_set, set_paths
from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work
from srft_assets.warehouse.store import Warehouse

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
What steps really are: labels that people gave (`gold/<set>.jsonl`, see docs/gold.md), and in the
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
        f"gold {path.name}": hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in set_paths(home)
    }
    for batch in lab_batches(home):
        config[f"recorded {batch}"] = sorted(path.name for path in recorded_in(home, batch))
    return config


def _make(work: Work) -> Made:
    batches = work.input_names("trajectories")
    frames, refused = _from_files(work, known_steps(work.warehouse, batches))
    for batch in sorted(set(lab_batches(work.home)) & set(batches)):
        runs = work.warehouse.read("trajectories", batch, columns=COLUMNS)
        found = list(recorded_labels(work.home, batch, runs))
        refused += [one for one in found if isinstance(one, Refusal)]
        frames.append(gold_frame(RECORDED, [one for one in found if not isinstance(one, Refusal)]))
    frame = pl.concat([GOLD_LABELS.to_frame(), *frames])
    counts = dict(frame.group_by("set").len().sort("set").iter_rows())
    return Made(frame, refused, {f"labels of {name}": count for name, count in counts.items()})


def _from_files(work: Work, steps: dict[str, int]) -> tuple[list[pl.DataFrame], list[Refusal]]:
    frames: list[pl.DataFrame] = []
    refused: list[Refusal] = []
    for path in set_paths(work.home):
        source = f"gold/{path.name}"
        if path.stem == RECORDED:
            refused.append(Refusal(source, f"a set must not be named {RECORDED!r}: rename it"))
            continue
        labels, bad = read_set(path)
        refused += bad
        fitting = []
        for row, label in labels:
            reason = unfit(label, steps)
            if reason is None:
                fitting.append(label)
            else:
                refused.append(Refusal(source, reason, row, label.trajectory_id))
        frames.append(gold_frame(path.stem, fitting))
    return frames, refused
