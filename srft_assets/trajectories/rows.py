"""The rows of a batch, in the order of its items; of doubled runs the first."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from srft_assets.refusal import Refusal
from srft_assets.trajectories.frame import frame_of
from srft_assets.trajectories.manifest import Item, Manifest
from srft_assets.trajectories.reads import runs_of, uncollected

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


def read(reading: Reading) -> Rows:
    """All rows, those of doubled runs among them."""
    refused: list[Refusal] = []
    with uncollected():
        runs = runs_of(reading.root, reading.items, reading.format, refused)
        frame, unfit = frame_of(runs, reading.batch)
    return frame, refused + unfit


def without_doubles(reading: Reading, rows: Rows, held: Mapping[str, str]) -> Rows:
    """The rows of runs that are not there already, and all refusals in the order of the items.

    `held`: trajectory id → the earlier batch that holds it.
    """
    frame, refused = rows
    items = {item.path: item for item in reading.items}
    known: dict[str, str] = {}
    new: list[bool] = []
    doubled: list[Refusal] = []
    for name, source, at in frame.select("trajectory_id", "source", "source_row").iter_rows():
        row = None if items[source].layout == "object" else at
        why = f"the first is {known[name]}" if name in known else _holder(held.get(name))
        new.append(why is None)
        if why is None:
            known[name] = source if row is None else f"{source}, row {row}"
        else:
            reason = f"duplicate run {name}: {why}"
            doubled.append(Refusal(source, reason, row=row, subject=name))
    if doubled:
        frame = frame.filter(pl.Series(new))
    place = {path: number for number, path in enumerate(items)}
    refused = sorted(
        refused + doubled,
        key=lambda one: (place.get(one.source, -1), -1 if one.row is None else one.row),
    )
    return frame, refused


def _holder(batch: str | None) -> str | None:
    return None if batch is None else f"batch {batch} holds it"
