"""The identity of rows: a hash over names, types and values, and over nothing else."""

import hashlib
import math
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import polars as pl

INTEGERS = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64),
    *(pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
)
"""Those of a fixed width that Python's buffers know."""


class Hash(Protocol):
    """The part of a `hashlib` object that is used here."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes."""


def data_version(frame: pl.DataFrame, volatile: Sequence[str] = ()) -> str:
    """32 hex digits over names, types and values of a frame, less its `volatile` columns.

    Computed over plain values, so that it does not depend on chunking, on slicing, on what lies
    under a null, or on a library's file format.
    """
    kept = frame.drop(volatile)
    with ThreadPoolExecutor(2) as threads:
        digests = list(threads.map(_digest, kept))
    head = repr([kept.height, *kept.schema.items()]).encode()
    return hashlib.sha256(head + b"".join(digests)).hexdigest()[:32]


def _digest(column: pl.Series) -> bytes:
    sha = hashlib.sha256()
    _feed(sha, column)
    return sha.digest()


def _feed(sha: Hash, column: pl.Series) -> None:
    """Counts first, then which cells are null, then the values of the others.

    The counts and the type, which is part of the schema, say how many bytes follow: no two
    columns feed the same bytes. -0.0 is 0.0, and there is one NaN.
    """
    nulls = column.null_count()
    sha.update(struct.pack("<QQ", len(column), nulls))
    if nulls:
        sha.update(_plain(column.is_null()))
        column = column.drop_nulls()
    kind = column.dtype
    if isinstance(kind, pl.Struct):
        for field in kind.fields:
            _feed(sha, column.struct.field(field.name))
    elif isinstance(kind, pl.List):
        sha.update(_plain(column.list.len()))
        _feed(sha, column.explode(empty_as_null=False))
    elif kind in (pl.String, pl.Binary):
        lengths = column.str.len_bytes() if kind == pl.String else column.bin.size()
        sha.update(_plain(lengths))
        sha.update(_text(column))
    elif isinstance(kind, pl.Array):
        _feed(sha, column.arr.to_list())
    elif kind.is_float():
        sha.update(_plain((column + 0.0).fill_nan(math.nan)))
    elif kind.is_temporal() or kind == pl.Boolean or kind in INTEGERS:
        sha.update(_plain(column))
    elif kind != pl.Null:
        _feed(sha, column.cast(pl.String))


def _plain(column: pl.Series) -> memoryview:
    """Cells of fixed width, without nulls, one after the other."""
    if column.dtype == pl.Boolean:
        column = column.cast(pl.UInt8)
    return column.to_physical().rechunk().to_numpy().view("B").data


def _text(column: pl.Series) -> memoryview:
    """The bytes of all texts, without nulls, one after the other."""
    array = column.rechunk().to_arrow()
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("q")
    first, last = ends[array.offset], ends[array.offset + len(array)]
    return memoryview(data)[first:last] if data else memoryview(b"")
