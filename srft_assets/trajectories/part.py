"""Part of a batch: its items to rows, here or in the process that helps."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from srft_assets.refusal import Refusal
from srft_assets.trajectories.frame import frame_of
from srft_assets.trajectories.helper import end_helper, helper
from srft_assets.trajectories.manifest import Item
from srft_assets.trajectories.reads import Known, row_of, runs_of, uncollected
from srft_assets.trajectories.sources import CHUNK

OURS = 0.55
"""Share of the bytes that is read here: the other process has to hand its rows over."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read, and for which batch; see `runs_of`."""

    root: Path
    batch: str
    format: str | None


def rows_of(
    reading: Reading, items: Sequence[Item], shown: Iterable[Item], held: Mapping[str, str]
) -> tuple[pl.DataFrame, list[Refusal]]:
    """Rows of the items, and what was refused: the same, in whatever processes it is read.

    `shown` yields the items and tells how far it is; `held`: see `Known`.
    """
    known = Known(held)
    pool = helper(sum(item.bytes for item in items))
    first, second = halves(reading.root, items) if pool is not None else (list(items), [])
    if pool is None or not second:
        frame, refused = _read(reading, shown, known)
    else:
        with tempfile.NamedTemporaryFile(prefix="srft-part-") as shared:
            other = pool.submit(_read_there, reading, second, shared.name)
            mine, refused = _read(reading, first, known)
            theirs, refused_there = _fetched(other, shared.name, reading, second)
        for _ in shown:
            pass
        theirs, doubled = _new(theirs, {item.path: item for item in second}, known)
        frame = pl.concat([mine, theirs])
        refused += refused_there + doubled
    place = {item.path: number for number, item in enumerate(items)}
    refused.sort(key=lambda one: (place.get(one.source, -1), -1 if one.row is None else one.row))
    return frame, refused


def halves(root: Path, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """The items in two parts, in order; an item of lines may be cut."""
    half, before = int(sum(item.bytes for item in items) * OURS), 0
    for place, item in enumerate(items):
        if before + item.bytes > half:
            cut = _cut(root, item, item.start + half - before) if item.layout == "lines" else []
            if cut:
                return [*items[:place], cut[0]], [cut[1], *items[place + 1 :]]
            place += before + item.bytes // 2 < half
            return list(items[:place]), list(items[place:])
        before += item.bytes
    return list(items), []


def _cut(root: Path, item: Item, target: int) -> list[Item]:
    """The item before and after the first end of a line at `target`; none where that is its end."""
    rows, place = 0, item.start
    with (root / item.path).open("rb", buffering=CHUNK) as file:
        file.seek(place)
        while place < target and (data := file.read(min(CHUNK, target - place))):
            rows += data.count(b"\n")
            place += len(data)
        place += len(file.readline(item.end - place))
    rows += 1
    if place >= item.end or rows >= item.rows:
        return []
    return [
        item.model_copy(update={"end": place, "rows": rows}),
        item.model_copy(
            update={
                "start": place,
                "first_row": item.first_row + rows,
                "rows": item.rows - rows,
            }
        ),
    ]


def _read(
    reading: Reading, items: Iterable[Item], known: Known | None
) -> tuple[pl.DataFrame, list[Refusal]]:
    refused: list[Refusal] = []
    with uncollected():
        runs = runs_of(reading.root, items, reading.format, refused, known)
        frame, unfit = frame_of(runs, reading.batch)
    return frame, refused + unfit


def _read_there(reading: Reading, items: Sequence[Item], path: str) -> list[Refusal]:
    """In the other process: rows, those of doubled runs among them, to a file of Arrow IPC.

    A file that is mapped costs a fifth of what a pipe does.
    """
    frame, refused = _read(reading, items, None)
    frame.write_ipc(path, compat_level=pl.CompatLevel.newest())
    return refused


def _fetched(
    other: "Future[list[Refusal]]", path: str, reading: Reading, items: Sequence[Item]
) -> tuple[pl.DataFrame, list[Refusal]]:
    """What the other process read; read here where it was killed."""
    try:
        refused = other.result()
    except BrokenProcessPool:
        end_helper()
        return _read(reading, items, None)
    return pl.read_ipc(path), refused


def _new(
    frame: pl.DataFrame, items: Mapping[str, Item], known: Known
) -> tuple[pl.DataFrame, list[Refusal]]:
    """The rows of runs that are not known yet, and the refusals of the others."""
    places = frame.select("trajectory_id", "source", "source_row").iter_rows()
    told = [known.refusal(name, source, row_of(items[source], row)) for name, source, row in places]
    fresh = pl.Series([one is None for one in told], dtype=pl.Boolean)
    return frame.filter(fresh), [one for one in told if one is not None]
