"""Partitions as Parquet files: written whole or not at all, each with its stamp."""

import fnmatch
import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import orjson
import polars as pl
from blake3 import blake3

from srft_assets.errors import Refusal, SrftError, UsageError
from srft_assets.files import remove_left, replacing
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.turn import NO_TURN, Turn

KEY = "srft"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Provenance and identity of one partition.

    Attributes:
        recipe: what it was made from.
        fingerprint: of the recipe.
        data_version: hash of the content that matters (`data_version`).
        rows: row count.
        run_id: the Dagster run, or `local`.
        made_at: ISO 8601, UTC.
        refused: inputs that were refused while this partition was made.
        figures: numbers that the stage told of it, by which a plan estimates what is behind it.
        volatile: columns that do not count for the data version; None where nobody said.
        turn: number of the turn in which it was made; 0 where it was made in none.
    """

    recipe: Recipe
    fingerprint: str
    data_version: str
    rows: int
    run_id: str
    made_at: str
    refused: tuple[Refusal, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    volatile: tuple[str, ...] | None = None
    turn: int = 0

    def to_bytes(self) -> bytes:
        """As the value stored under `KEY`."""
        return orjson.dumps(asdict(self))

    @staticmethod
    def from_bytes(value: bytes) -> "Stamp":
        """Inverse of `to_bytes`."""
        cells = orjson.loads(value)
        cells["recipe"] = Recipe(**cells["recipe"])
        if cells.get("volatile") is not None:
            cells["volatile"] = tuple(cells["volatile"])
        cells["refused"] = tuple(Refusal(**refusal) for refusal in cells["refused"])
        return Stamp(**cells)


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of a partition file; None where the file is absent, or so damaged that it has none.

    What is damaged is made again like what is missing; `damage` says why.
    """
    try:
        return _anew(lambda: stamp_in(path))
    except (FileNotFoundError, *UNREADABLE):
        return None


def damage(path: Path) -> str:
    """What is wrong with the end of a file, which says what is in it; empty where nothing is."""
    try:
        return "" if stamp_in(path) else "it does not say what it was made from"
    except UNREADABLE as error:
        return _told(error)


def _told(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


PANIC = pl.exceptions.PanicException
UNREADABLE = (pl.exceptions.PolarsError, PANIC, ValueError, TypeError, KeyError)
"""What a damaged file raises: polars for the file, the others for a stamp that is none."""


def _anew(read: Callable[[], T]) -> T:
    """What is read; what cannot be is read once more: of a file that another host replaces in
    between, NFS has no more than a stale handle (ESTALE), and the new file is found by its name."""
    try:
        return read()
    except FileNotFoundError:
        raise
    except (OSError, *UNREADABLE):
        return read()


def stamp_in(source: Path | IO[bytes]) -> Stamp | None:
    """The stamp within a Parquet file; None for a file of somebody else."""
    # no search for keys of a cloud, which takes as long as the reading; no Path, which takes half
    file = str(source) if isinstance(source, Path) else source
    stamped = pl.read_parquet_metadata(file, credential_provider=None).get(KEY)
    return Stamp.from_bytes(stamped.encode()) if stamped else None


PARTITION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
ONLY = "all"
"""Partition name of an asset without partitions."""
CALLS = "critic_calls"
"""Folder of what critics were paid for: it is of no asset, and so never orphaned."""


class InputChangedError(SrftError):
    """What a partition is made from changed after its recipe was written: write another."""


class DamagedError(SrftError):
    """A partition that cannot be read."""


def check_partition_name(name: str) -> str:
    """The name, if it is safe as a file name; raises UsageError otherwise."""
    if not PARTITION_NAME.fullmatch(name):
        raise UsageError(
            f"bad partition name {name!r}: use letters, digits, '.', '_' and '-' (at most 128)"
        )
    return name


def matching(
    names: Iterable[str], patterns: Sequence[str], family: Callable[[str], str] = str
) -> list[str]:
    """The names that match one of the shell patterns and none of those behind a `!`, sorted.

    Patterns behind a `!` alone leave those out of all. A pattern without any wildcard is also the
    name of a `family`, which the parts of a batch that was split share.
    """
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    others = [pattern[1:] for pattern in patterns if pattern.startswith("!")]

    if others and not wanted:
        wanted = ["*"]

    def fits(name: str, patterns: Sequence[str]) -> bool:
        shared = any(PARTITION_NAME.fullmatch(one) and one == family(name) for one in patterns)
        return shared or any(fnmatch.fnmatchcase(name, one) for one in patterns)

    return sorted(name for name in names if fits(name, wanted) and not fits(name, others))


@dataclass(frozen=True, slots=True)
class Warehouse:
    """All partitions below one folder. Readers see the whole old or the whole new partition."""

    root: Path

    def path(self, asset: str, partition: str = ONLY) -> Path:
        """`<root>/<asset>/<partition>.parquet`."""
        return self.root / asset / f"{check_partition_name(partition)}.parquet"

    def stamp(self, asset: str, partition: str = ONLY) -> Stamp | None:
        """Provenance of a partition; None where it was never made."""
        return read_stamp(self.path(asset, partition))

    def partitions(self, asset: str) -> list[str]:
        """Names of the partitions that exist, sorted."""
        return sorted(
            path.stem
            for path in (self.root / asset).glob("*.parquet")
            if PARTITION_NAME.fullmatch(path.stem)
        )

    def read(
        self,
        asset: str,
        partition: str = ONLY,
        columns: list[str] | None = None,
        version: str | None = None,
    ) -> pl.DataFrame:
        """Rows of one partition; with `version`, of that data version and no other.

        All columns of a version are hashed once more, since Parquet does not tell a page whose
        bytes have changed on the disk. Read through one handle: polars opens a path twice, and
        another process may rename a new partition over the old one in between. Raises
        FileNotFoundError where it was never made, InputChangedError where it is of another version,
        DamagedError where it cannot be read.
        """
        path = self.path(asset, partition)

        def rows() -> pl.DataFrame:
            volatile = None
            with path.open("rb") as file:
                if version is not None:
                    found = stamp_in(file)
                    if found is None or found.data_version != version:
                        raise InputChangedError(f"{asset}/{partition} was made anew meanwhile")
                    volatile = found.volatile
                    file.seek(0)
                frame = pl.read_parquet(file, columns=columns)
            if (
                columns is None
                and volatile is not None
                and data_version(frame, volatile) != version
            ):
                raise ValueError("its rows are not those that were written")
            return frame

        try:
            return _anew(rows)
        except pl.exceptions.ColumnNotFoundError:
            raise
        except UNREADABLE as error:
            raise DamagedError(
                f"{path} is damaged ({_told(error)}): srft doctor --repair moves it aside, "
                "and srft apply makes it again"
            ) from error

    def write(
        self,
        asset: str,
        partition: str,
        frame: pl.DataFrame,
        stamp: Stamp | Future[Stamp],
        turn: Turn = NO_TURN,
    ) -> Path:
        """Put a partition in place, and remove what killed writers left beside it.

        A stamp to come is waited for when the rows are written, not before. What an earlier turn is
        still writing can take its place no more. Raises LateError where a later one has begun.
        """

        def metadata(_: object) -> dict[str, str]:
            known = stamp if isinstance(stamp, Stamp) else stamp.result()
            return {KEY: known.to_bytes().decode()}

        target = self.path(asset, partition)
        turn.remove_earlier(target)
        try:
            with replacing(target, turn.mark) as beside:
                frame.write_parquet(
                    beside, compression="zstd", compression_level=1, metadata=metadata
                )
                turn.check()
        except OSError:  # the file that was to take the place is gone
            turn.check()
            raise
        remove_left(target.parent)
        return target


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
        for one in kind.fields:
            yield from _parts(column.struct.field(one.name))
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
