"""The asset `gold_labels`: what people, and the scripted teacher of generated runs, say of steps.

The teacher says of each turn what it is, in `extra.teacher` of the raw message. The readers drop
it, so that no critic sees it; here it is read from the raw runs in `home.runs`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.critic.gold.labels import (
    GOLD_LABELS,
    RECORDED,
    GoldLabel,
    gold_frame,
    parse_label,
    read_sets,
    unfit,
)
from srft_assets.errors import Refusal
from srft_assets.home import Home
from srft_assets.trajectories.batches import LAB, batch_names, read_manifest
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import RecordError
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

TEACHER = "teacher"
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


def _config_of(home: Home, _: str) -> dict[str, Any]:
    """Contents of the sets, and which recordings there are of generated runs."""
    config: dict[str, Any] = {
        f"gold {name}": digest([label.model_dump(exclude={"at"}) for label in labels])[:16]
        for name, labels in read_sets(home).items()
    }
    for batch in _lab_batches(home):
        config[f"recorded {batch}"] = sorted(path.name for path in _recordings(home, batch))
    return config


def _make(work: Work) -> Made:
    batches = work.input_names("trajectories")
    steps = known_steps(work.warehouse, batches)
    frames, refused = [GOLD_LABELS.to_frame()], []
    for name, labels in read_sets(work.home).items():
        reasons = [unfit(label, steps) for label in labels]
        refused += [
            Refusal(f"gold set {name}", reason, label.step_index, label.trajectory_id)
            for label, reason in zip(labels, reasons, strict=True)
            if reason
        ]
        fitting = [label for label, reason in zip(labels, reasons, strict=True) if not reason]
        frames.append(gold_frame(name, fitting))
    for batch in sorted(set(_lab_batches(work.home)) & set(batches)):
        found = list(_recorded_labels(work, batch))
        refused += [one for one in found if isinstance(one, Refusal)]
        frames.append(gold_frame(RECORDED, [one for one in found if isinstance(one, GoldLabel)]))
    frame = pl.concat(frames).unique(maintain_order=True)  # several batches may hold a run
    counts = dict(frame.group_by("set").len().sort("set").iter_rows())
    return Made(frame, refused, {f"labels of {name}": count for name, count in counts.items()})


def known_steps(warehouse: Warehouse, batches: list[str]) -> dict[str, int]:
    """Trajectory id → number of steps, over the batches."""
    counts: dict[str, int] = {}
    for batch in batches:
        frame = warehouse.read("trajectories", batch, columns=["trajectory_id", "n_steps"])
        counts |= dict(frame.iter_rows())
    return counts


def _lab_batches(home: Home) -> list[str]:
    """Batches whose runs the platform generated."""
    return [name for name in batch_names(home) if read_manifest(home, name).kind == LAB]


def _recordings(home: Home, batch: str) -> list[Path]:
    """Folders of the raw runs of a batch, one for each making, the latest first."""
    folders = [path for path in (home.runs / batch).glob("*") if path.is_dir()]
    return sorted(folders, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _recorded_labels(work: Work, batch: str) -> Iterator[GoldLabel | Refusal]:
    """What the teacher said of each step of the batch.

    A run whose raw form is gone is refused: its labels went with it.
    """
    columns = ["trajectory_id", "source", "n_steps"]
    runs = work.warehouse.read("trajectories", batch, columns=columns)
    folders = _recordings(work.home, batch)
    for run, source, n_steps in runs.iter_rows():
        raw = _raw(folders, source, run)
        place = f"runs/{batch}/{source}"
        if raw is None:
            yield Refusal(place, "the raw run is gone", subject=run)
            continue
        said: list[Any] = [_said(m) for m in raw["messages"] if m.get("role") == "assistant"]
        if len(said) != n_steps or None in said:
            reason = f"the teacher labelled {sum(map(bool, said))} turns of {n_steps} steps"
            yield Refusal(place, reason, subject=run)
            continue
        for index, one in enumerate(said):
            label = parse_label(
                {
                    "trajectory_id": run,
                    "step_index": index,
                    "label": one.get("label"),
                    "annotator": TEACHER,
                    "note": one.get("reason", ""),
                }
            )
            yield label if isinstance(label, GoldLabel) else Refusal(place, label, index, run)


def _raw(folders: list[Path], source: str, run: str) -> dict[str, Any] | None:
    """The latest recording that reads as exactly this run."""
    for folder in folders:
        path = folder / source
        try:
            record = orjson.loads(path.read_bytes())
            read = read_record(record, source=source, row=0)
        except (FileNotFoundError, orjson.JSONDecodeError, RecordError):
            continue
        if read.trajectory_id == run:
            return record
    return None


def _said(message: dict[str, Any]) -> dict[str, Any] | None:
    extra = message.get("extra")
    said = extra.get(TEACHER) if isinstance(extra, dict) else None
    return said if isinstance(said, dict) else None
