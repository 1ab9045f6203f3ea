"""The rows of a batch, in the order of its items; of runs that it holds twice the first."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from srft_assets.refusal import Refusal
from srft_assets.trajectories.manifest import Item, Manifest
from srft_assets.trajectories.reads import runs_of
from srft_assets.trajectories.schema import frame_of
from srft_assets.warehouse.stage import Progress

Rows = tuple[pl.DataFrame, list[Refusal]]
"""Rows, and what was refused."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read, and for which batch; see `runs_of`."""

    root: Path
    batch: str
    format: str | None
    items: tuple[Item, ...]


def reading_of(manifest: Manifest) -> Reading:
    """The reading of a batch of files."""
    return Reading(manifest.folder(), manifest.batch, manifest.format, manifest.items)


def read(reading: Reading, progress: Progress) -> Rows:
    """The rows of all runs, each once, and what was refused, both in the order of the items."""
    refused: list[Refusal] = []
    runs = runs_of(reading.root, reading.items, reading.format, refused)
    total = sum(item.rows for item in reading.items)
    shown = progress.track(runs, f"reading {reading.batch}", total)
    frame, unfit = frame_of(shown, reading.batch)
    return _without_doubles(reading, frame, refused + unfit)


def _without_doubles(reading: Reading, frame: pl.DataFrame, refused: list[Refusal]) -> Rows:
    items = {item.path: item for item in reading.items}
    known: dict[str, str] = {}
    new: list[bool] = []
    doubled: list[Refusal] = []
    for name, source, at in frame.select("trajectory_id", "source", "source_row").iter_rows():
        row = None if items[source].layout == "object" else at
        new.append(name not in known)
        if new[-1]:
            known[name] = source if row is None else f"{source}, row {row}"
        else:
            reason = f"duplicate run {name}: the first is {known[name]}"
            doubled.append(Refusal(source, reason, row=row, subject=name))
    place = {path: number for number, path in enumerate(items)}
    refused = sorted(
        refused + doubled,
        key=lambda one: (place.get(one.source, -1), -1 if one.row is None else one.row),
    )
    return (frame.filter(pl.Series(new)) if doubled else frame), refused
