"""The identity of rows: a hash over names, types and values, and over nothing else."""

import math
import struct
from collections.abc import Iterator, Sequence

import polars as pl
from blake3 import blake3

INTEGERS = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64),
    *(pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
)
"""Those of a fixed width that Python's buffers know."""
PIECE_BYTES = 1 << 20
"""Of texts that are hashed at once."""


def data_version(frame: pl.DataFrame, volatile: Sequence[str] = ()) -> str:
    """32 hex digits over names, types and values of a frame, less its `volatile` columns.

    Computed over plain values, so that it does not depend on chunking, on slicing, on what lies
    under a null, or on a library's file format.
    """
    kept = frame.drop(volatile)
    head = repr([kept.height, *kept.schema.items()]).encode()
    digests = (_digest(part) for column in kept for part in _parts(column))
    return blake3(head + b"".join(digests)).hexdigest(16)


def _digest(part: bytes | pl.Series) -> bytes:
    content = blake3()
    for piece in [part] if isinstance(part, bytes) else _pieces(part):
        content.update(piece)
    return content.digest()


def _pieces(column: pl.Series) -> Iterator[memoryview]:
    """The bytes of all cells, one after the other; of texts a few at a time, that the same
    memory serves for all of them.
    """
    if column.dtype not in (pl.String, pl.Binary):
        yield _cells(column)
        return
    sizes = column.str.len_bytes() if column.dtype == pl.String else column.bin.size()
    rows = max(1, len(column) * PIECE_BYTES // max(1, int(sizes.sum())))
    for first in range(0, len(column), rows):
        yield _text(column.slice(first, rows))


def _parts(column: pl.Series) -> Iterator[bytes | pl.Series]:
    """Counts first, then which cells are null, then the values of the others.

    The series are flat and without nulls. The counts and the type, which is part of the schema,
    say how many parts follow and how long they are: no two columns have the same parts.
    """
    nulls = column.null_count()
    yield struct.pack("<QQ", len(column), nulls)
    if nulls:
        yield column.is_null()
        column = column.drop_nulls()
    kind = column.dtype
    if isinstance(kind, pl.Struct):
        for field in kind.fields:
            yield from _parts(column.struct.field(field.name))
    elif isinstance(kind, pl.List):
        yield column.list.len()
        yield from _parts(column.explode(empty_as_null=False))
    elif isinstance(kind, pl.Array):
        yield from _parts(column.arr.to_list())
    elif kind in (pl.String, pl.Binary):
        yield column.str.len_bytes() if kind == pl.String else column.bin.size()
        yield column
    elif kind.is_float() or kind.is_temporal() or kind == pl.Boolean or kind in INTEGERS:
        yield column
    elif kind != pl.Null:
        yield from _parts(column.cast(pl.String))


def _cells(column: pl.Series) -> memoryview:
    """The bytes of all numbers, one after the other. -0.0 is 0.0, and there is one NaN."""
    if column.dtype.is_float():
        column = (column + 0.0).fill_nan(math.nan)
    elif column.dtype == pl.Boolean:
        column = column.cast(pl.UInt8)
    return column.to_physical().rechunk().to_numpy().view("B").data


def _text(column: pl.Series) -> memoryview:
    array = column.rechunk().to_arrow()
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("q")
    first, last = ends[array.offset], ends[array.offset + len(array)]
    return memoryview(data)[first:last] if data else memoryview(b"")
