"""Rows of Parquet files and Arrow files, read piece by piece."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from srft_assets.errors import SrftError

ROWS_AT_ONCE = 16
"""Rows that become Python objects together; a run of 1 MB in Arrow is about 3 MB in Python."""


class BadTableError(SrftError):
    """Not a readable Parquet or Arrow file."""


def shape_of(path: Path, layout: str) -> tuple[int, list[str]]:
    """Row count and column names. Raises BadTableError."""
    try:
        if layout == "parquet":
            with pq.ParquetFile(path) as file:
                return file.metadata.num_rows, file.schema_arrow.names
        with pa.memory_map(str(path)) as source:
            reader = _arrow_reader(source)
            return sum(batch.num_rows for batch in _batches(reader)), reader.schema.names
    except (pa.ArrowException, OSError, EOFError) as error:
        raise BadTableError(f"broken {layout} file: {_line(error)}") from None


def read_rows(
    path: Path, layout: str, first: int, rows: int, limit: int
) -> Iterator[tuple[int, dict[str, Any] | int]]:
    """Row number and row, for `rows` rows from `first` on.

    A row of more than `limit` bytes is given as its size, and is not turned into Python
    objects. Raises BadTableError.
    """
    pieces = _parquet(path, first, rows) if layout == "parquet" else _arrow(path, first, rows)
    number = first
    try:
        for piece in pieces:
            if piece.nbytes <= limit:
                for row in piece.to_pylist():
                    yield number, row
                    number += 1
            else:
                for row in _one_by_one(piece, limit):
                    yield number, row
                    number += 1
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise BadTableError(f"broken {layout} file at row {number}: {_line(error)}") from None


def _one_by_one(piece: pa.RecordBatch, limit: int) -> Iterator[dict[str, Any] | int]:
    for at in range(piece.num_rows):
        row = piece.slice(at, 1)
        yield row.nbytes if row.nbytes > limit else row.to_pylist()[0]


def _parquet(path: Path, first: int, rows: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        groups, skipped = _groups(file.metadata, first, rows)
        at = skipped
        for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=groups):
            piece = _overlap(batch, at, first, rows)
            at += batch.num_rows
            if piece is not None:
                yield piece
            if at >= first + rows:
                return


def _groups(metadata: pq.FileMetaData, first: int, rows: int) -> tuple[list[int], int]:
    """Row groups that hold the rows, and the number of rows before them."""
    wanted: list[int] = []
    before = at = 0
    for group in range(metadata.num_row_groups):
        count = metadata.row_group(group).num_rows
        if at + count > first and at < first + rows:
            wanted.append(group)
        elif not wanted:
            before = at + count
        at += count
    return wanted, before


def _arrow(path: Path, first: int, rows: int) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source:
        at = 0
        for batch in _batches(_arrow_reader(source)):
            piece = _overlap(batch, at, first, rows)
            at += batch.num_rows
            if piece is not None:
                for start in range(0, piece.num_rows, ROWS_AT_ONCE):
                    yield piece.slice(start, ROWS_AT_ONCE)
            if at >= first + rows:
                return


def _overlap(batch: pa.RecordBatch, at: int, first: int, rows: int) -> pa.RecordBatch | None:
    """The part of a batch, whose first row is row `at` of the file, that is wanted."""
    start = max(first - at, 0)
    stop = min(first + rows - at, batch.num_rows)
    return batch.slice(start, stop - start) if start < stop else None


def _arrow_reader(source: pa.NativeFile) -> Any:
    """Reader of an IPC file, or of a stream as `datasets` writes it."""
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
    else:
        yield from reader


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
