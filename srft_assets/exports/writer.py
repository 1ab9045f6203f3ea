"""The folder of an export: its data files, put in place whole or not at all.

Data files are numbered, of a bounded size, and the same bytes for the same records.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from srft_assets.errors import UsageError
from srft_assets.exports import FormatName
from srft_assets.exports.source import Masked
from srft_assets.files import remove_left, replacing

FOLDER = "data"
MANIFEST = "srft_export.json"
"""Names every file of an export; what has none is not replaced."""
REFUSED = "refused.jsonl"
"""Names the runs that the format cannot express, and why."""
REPORT = "report.html"
"""What `srft report` tells of the runs, where it was asked for."""
REPLACED = (f"{FOLDER}/*", REFUSED, REPORT)
"""What an export on the Hub loses that is not in the one that is pushed in its place."""
GROUP_BYTES = 4 << 20
"""Size of a row group in memory: what is held before it is written."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How the runs of an arm become the records of a data set.

    Attributes:
        name: which of the formats it is.
        records: the records of one run, none where it has nothing to train. Raises UnfitError
            where the format cannot express the run. It is given what `reader` makes.
        loading: Markdown that tells how the export is loaded, for its card: `FOLDER`, `{longest}`
            (tokens of the longest row) and `{settings}` (YAML of the reader) are filled in.
        schema: columns of its Parquet files; None writes JSON Lines.
        chats: whether it needs the messages of the runs.
        weights: whether it carries loss weights other than 0 and 1.
        reader: the trainer that renders the chats, made of the tokenizer of the masks; its
            `settings` are those that it needs of its own for this model.
        file_bytes: most that one file may hold.
        layout: writes its files otherwise than as Parquet or JSON Lines.
        gathers: whether the reader is to see all runs, by its `gather`, before the first is made.
        empty: why a run has no record.
        negative: whether its trainer takes loss weights below 0.
    """

    name: FormatName
    records: Callable[[Masked, Any], Iterable[Record]]
    loading: str
    schema: pa.Schema | None = None
    chats: bool = False
    weights: bool = False
    reader: Callable[[Any], Any] | None = None
    file_bytes: int | None = None
    layout: Callable[[Path, int, pa.Schema], "Writer"] | None = None
    gathers: bool = False
    empty: str = "no step of the run is trained"
    negative: bool = False

    def told(self, longest: int, settings: Mapping[str, Any]) -> str:
        """`loading` filled in, but for the folder."""
        yaml_text = yaml.safe_dump(dict(settings), allow_unicode=True) if settings else ""
        return self.loading.replace("{longest}", f"{longest}").replace("{settings}", yaml_text)

    def writer(self, folder: Path, limit: int) -> "Writer":
        """Writes records into files of at most about `limit` bytes in the export's folder."""
        if self.layout is not None and self.schema is not None:
            return self.layout(folder, limit, self.schema)
        if self.schema is not None:
            return _Parquet(folder, limit, self.schema)
        return _JsonLines(folder, min(limit, self.file_bytes or limit))


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file; `name` is relative to the export's folder."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Writer(ABC):
    """Writes `data/train-00000.<suffix>` and so on, each named for their number at the end."""

    def __init__(self, folder: Path, limit: int, suffix: str) -> None:
        self.folder, self.limit, self.suffix = folder / FOLDER, limit, suffix
        self.folder.mkdir()
        self.rows: list[int] = []

    @abstractmethod
    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record."""

    @abstractmethod
    def close(self) -> list[DataFile]:
        """Write what is held, name the files, and tell them."""

    def begin(self) -> BinaryIO:
        """Open the next file."""
        self.rows.append(0)
        return self._path(len(self.rows) - 1).open("wb")

    def named(self) -> list[DataFile]:
        """The files under their last names."""
        return [self._name(number, rows) for number, rows in enumerate(self.rows)]

    def _path(self, number: int) -> Path:
        return self.folder / f"train-{number:05}.{self.suffix}"

    def _name(self, number: int, rows: int) -> DataFile:
        last = self.folder / f"train-{number:05}-of-{len(self.rows):05}.{self.suffix}"
        self._path(number).rename(last)
        return data_file(self.folder, last, rows)


def data_file(folder: Path, path: Path, rows: int) -> DataFile:
    """What is told of a file within the folder of the data."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    name = f"{FOLDER}/{path.relative_to(folder).as_posix()}"
    return DataFile(name, rows, path.stat().st_size, sha256)


class _Parquet(Writer):
    """Parquet with a fixed schema: a column that is empty in one file has its type there too.

    Without any record there is one file, without rows.
    """

    def __init__(self, folder: Path, limit: int, schema: pa.Schema) -> None:
        super().__init__(folder, limit, "parquet")
        self.schema = schema
        self.held: list[pa.Table] = []
        self.held_bytes = 0
        self.file: BinaryIO
        self.writer: pq.ParquetWriter | None = None

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record whose cells are plain values or arrays."""
        table = pa.Table.from_pylist([record], self.schema)
        if self.held and self.held_bytes + table.nbytes > min(GROUP_BYTES, self.limit):
            self._write_group()
        self.held.append(table)
        self.held_bytes += table.nbytes

    def close(self) -> list[DataFile]:
        """Write what is held, name the files, and tell them."""
        if self.held or self.writer is None:
            self._write_group()
        self._end()
        return self.named()

    def _write_group(self) -> None:
        """A group larger than the room left begins a file; compressed it is rarely larger."""
        table = pa.concat_tables(self.held or [self.schema.empty_table()]).combine_chunks()
        if self.writer is not None and self.file.tell() + table.nbytes > self.limit:
            self._end()
        if self.writer is None:
            self.file = self.begin()
            self.writer = pq.ParquetWriter(self.file, self.schema, compression="zstd")
        self.writer.write_table(table)
        self.rows[-1] += table.num_rows
        self.held, self.held_bytes = [], 0

    def _end(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.file.close()
            self.writer = None


class _JsonLines(Writer):
    """One JSON object a line. Without any record there is one empty file."""

    def __init__(self, folder: Path, limit: int) -> None:
        super().__init__(folder, limit, "jsonl")
        self.file = self.begin()

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record of JSON-able values."""
        line = orjson.dumps(record) + b"\n"
        if self.rows[-1] and self.file.tell() + len(line) > self.limit:
            self.file.close()
            self.file = self.begin()
        self.file.write(line)
        self.rows[-1] += 1

    def close(self) -> list[DataFile]:
        """Name the files and tell them."""
        self.file.close()
        return self.named()


@contextmanager
def placing(target: Path) -> Iterator[Path]:
    """A folder beside the target to write into; it takes the target's place at the end.

    Where the body raises, or the process is killed, the target stays as it was. Raises
    UsageError where the target is something else than an export.
    """
    check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)  # it may be of others: not private
    with replacing(target) as beside:
        remove_left(target.parent, target.name)
        beside.mkdir()
        yield beside
        check_replaceable(target)


def check_replaceable(target: Path) -> None:
    """Raises UsageError unless the target is absent, an empty folder, or an export untouched."""
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise UsageError(f"{target} is no folder: name another --out")
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if not _folder(path)}
    if not files:
        return
    if MANIFEST not in files:
        raise UsageError(f"{target} holds files, but no export of srft: name another --out")
    others = sorted(files - {MANIFEST, *_listed(target / MANIFEST)})
    if others:
        raise UsageError(
            f"{target} holds {others[0]!r} beside an export: move it, or name another --out"
        )


def _folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _listed(manifest: Path) -> list[str]:
    try:
        return list(orjson.loads(manifest.read_bytes())["files"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UsageError(f"{manifest} is no manifest of an export: name another --out") from None
