"""A batch in parts of a few megabytes, and the rows of one part from one process to another."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import polars as pl

from srft_assets.refusal import Refusal
from srft_assets.trajectories.manifest import Item
from srft_assets.trajectories.rows import Reading, Rows, read
from srft_assets.trajectories.sources import skip_line
from srft_assets.trajectories.spans import blocks

PART_BYTES = 4 << 20


def parts_of(reading: Reading) -> list[Reading]:
    """The reading cut between records, in order: at least one part, of at least one record.

    Large files of lines are cut too; other files are taken whole. Raises OSError where one of
    them is gone.
    """
    parts: list[list[Item]] = [[]]
    room = PART_BYTES
    for item in reading.items:
        for piece in _pieces(reading.root, item):
            if parts[-1] and piece.bytes > room:
                parts.append([])
                room = PART_BYTES
            parts[-1].append(piece)
            room -= piece.bytes
    return [replace(reading, items=tuple(items)) for items in parts]


def _pieces(root: Path, item: Item) -> Iterator[Item]:
    if item.layout != "lines" or item.bytes <= PART_BYTES:
        yield item
        return
    for (start, first), (end, next_row) in pairwise(_cuts(root, item)):
        rows = next_row - first
        cut = {"start": start, "end": end, "first_row": first, "rows": rows, "bytes": end - start}
        yield item.model_copy(update=cut)


def _cuts(root: Path, item: Item) -> Iterator[tuple[int, int]]:
    """Places between lines, each with the row that begins there; the item's end is the last."""
    place, row = item.start, item.first_row
    with (root / item.path).open("rb") as file:
        while item.end - place > PART_BYTES:
            yield place, row
            for block in blocks(file, place, place + PART_BYTES):
                row += cast(bytearray, block.obj).count(b"\n", 0, len(block))
            file.seek(place + PART_BYTES)
            rest = skip_line(file, item.end - place - PART_BYTES)
            row += rest > 0
            place += PART_BYTES + rest
    if place < item.end:
        yield place, row
    yield item.end, item.first_row + item.rows


def read_there(part: Reading, folder: Path) -> tuple[str, list[Refusal]]:
    """In a helper: the rows to a file of Arrow IPC, which costs a fifth of what a pipe does."""
    frame, refused = read(part)
    path = folder / uuid.uuid4().hex
    try:
        with path.open("wb") as file:  # four times as fast as by its path, or through `tempfile`
            frame.write_ipc(file, compat_level=pl.CompatLevel.newest())
    except BaseException:
        path.unlink(missing_ok=True)  # a torn file would keep a full disk full
        raise
    return str(path), refused


def discard(sent: tuple[str, list[Refusal]]) -> None:
    """Remove what `read_there` left."""
    Path(sent[0]).unlink(missing_ok=True)


def fetched(sent: tuple[str, list[Refusal]]) -> Rows:
    """What `read_there` left. Raises OSError where that is gone."""
    path, refused = sent
    frame = pl.read_ipc(path)
    Path(path).unlink()
    return frame, refused
