"""Records of one item of a manifest, one after the other."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from srft_assets.errors import SrftError
from srft_assets.refusal import Refusal, excerpt_of
from srft_assets.trajectories.manifest import FileRef, Item, Layout
from srft_assets.trajectories.parse import MAX_ROW_BYTES, BadJsonError, parse, too_large
from srft_assets.trajectories.spans import CHUNK, blocks, element_spans
from srft_assets.trajectories.tables import read_rows

TABLES: tuple[Layout, ...] = ("parquet", "arrow")
TRUST_BYTES = 64 << 20
"""A table larger than this, with size and time as at ingest, is not hashed for every batch."""
CLOCK_TICK_NS = 1_000_000_000
"""Two writes within one tick of a file system's clock may bear one time; no tick is longer."""


class SourceChangedError(SrftError):
    """A source file is gone, or is not the one that was ingested."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it came. `row` is None where the file is one record."""

    value: Any
    source: str
    row: int | None


def open_records(root: Path, item: Item, limit: int = MAX_ROW_BYTES) -> Iterator[Record | Refusal]:
    """The records of an item; one that cannot be parsed comes as a Refusal.

    Holds one record at a time (of a table: a few). Raises OSError where the file is gone and
    BadTableError where a table breaks off. Does not look at the hash: see `verify`.
    """
    if item.layout in TABLES:
        yield from _table(root, item, limit)
        return
    buffering = 0 if item.layout == "object" else CHUNK
    with (root / item.path).open("rb", buffering=buffering) as file:
        for row, data in _pieces(file, item, limit):
            if isinstance(data, int):
                yield Refusal(item.path, too_large(data, limit), row=row)
                continue
            if item.layout == "lines" and data.isspace():
                continue
            try:
                yield Record(parse(data), item.path, row)
            except BadJsonError as error:
                yield Refusal(item.path, str(error), row=row, excerpt=excerpt_of(data[:1000]))


def _pieces(file: BinaryIO, item: Item, limit: int) -> Iterator[tuple[int | None, bytes | int]]:
    """Row and bytes of each record, or its size where that is over the limit."""
    if item.layout == "lines":
        yield from _lines(file, item, limit)
        return
    for row, start, end in _spans(file, item):
        file.seek(start)
        yield row, end - start if end - start > limit else file.read(end - start)


def _spans(file: BinaryIO, item: Item) -> Iterator[tuple[int | None, int, int]]:
    if item.layout == "object":
        yield None, item.start, item.end
    else:
        spans = element_spans(file, item.start, item.end, depth=1)
        for row, (start, end) in enumerate(spans, item.first_row):
            yield row, start, end


def _lines(file: BinaryIO, item: Item, limit: int) -> Iterator[tuple[int, bytes | int]]:
    file.seek(item.start)
    left, row = item.end - item.start, item.first_row
    while line := file.readline(min(left, limit + 1)):
        left -= len(line)
        if len(line) <= limit or line.endswith(b"\n"):
            yield row, line
        else:
            rest = skip_line(file, left)
            left -= rest
            yield row, len(line) + rest
        row += 1


def skip_line(file: BinaryIO, left: int) -> int:
    """Go to the end of the line or of the `left` bytes; returns how many were skipped."""
    skipped = 0
    while part := file.readline(min(left - skipped, CHUNK)):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _table(root: Path, item: Item, limit: int) -> Iterator[Record | Refusal]:
    rows = read_rows(root / item.path, item.layout, item.first_row, item.rows, limit)
    for number, row in rows:
        if isinstance(row, int):
            yield Refusal(item.path, too_large(row, limit), row=number)
        else:
            yield Record(row, item.path, number)


def digest_of(file: BinaryIO, start: int, end: int) -> str:
    """BLAKE3 hash of bytes `start` to `end` of an open file."""
    content = blake3()
    for block in blocks(file, start, end):
        content.update(block)
    return content.hexdigest()


def verify(root: Path, item: Item, registered_ns: int = 0) -> None:
    """Raise SourceChangedError unless the item's bytes are those that were ingested.

    A file whose size and times are as they were is not read again, if these times lie well
    before `registered_ns`, when the manifest was written: a later change would have moved them.
    """
    try:
        state = (root / item.path).stat()
        if _untouched(item, state, registered_ns):
            return
        whole = item.layout in TABLES or item.layout == "object"
        with (root / item.path).open("rb") as file:
            found = digest_of(file, item.start, state.st_size if whole else item.end)
    except OSError as error:
        raise SourceChangedError(f"{item.path}: {error.strerror}") from None
    if found != item.blake3:
        raise SourceChangedError(f"{item.path}: changed since it was ingested")


def untouched(root: Path, item: Item, registered_ns: int) -> bool:
    """Whether `verify` would let the item pass without reading it."""
    try:
        return _untouched(item, (root / item.path).stat(), registered_ns)
    except OSError:
        return False


def _untouched(item: Item, state: os.stat_result, registered_ns: int) -> bool:
    if (state.st_size, state.st_mtime_ns) != (item.size, item.mtime_ns):
        return False
    if item.layout in TABLES and item.size > TRUST_BYTES:
        return True
    return state.st_ctime_ns == item.ctime_ns and item.ctime_ns + CLOCK_TICK_NS < registered_ns


def read_verified(root: Path, ref: FileRef) -> bytes:
    """Content of a report or predictions file. Raises SourceChangedError unless as ingested."""
    try:
        data = (root / ref.path).read_bytes()
    except OSError as error:
        raise SourceChangedError(f"{ref.path}: {error.strerror}") from None
    if blake3(data).hexdigest() != ref.blake3:
        raise SourceChangedError(f"{ref.path}: changed since it was ingested; ingest it again")
    return data
