"""Data files of an export: numbered, of a bounded size, the same bytes for the same records."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from srft_assets.exports import FormatName
from srft_assets.exports.source import Masked
from srft_assets.tokens.tokenizer import ChatTokenizer

FOLDER = "data"
GROUP_BYTES = 4 << 20
"""Size of a row group in memory: what is held before it is written."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How the runs of an arm become the records of a data set.

    Attributes:
        name: which of the formats it is.
        records: the records of one run, none where it has nothing to train. Raises UnfitError
            where the format cannot express the run. The tokenizer is given where the format
            `renders`.
        loading: Markdown that tells how the export is loaded, for its card.
        schema: columns of its Parquet files; None writes JSON Lines.
        chats: whether it needs the messages of the runs.
        weights: whether it carries loss weights other than 0 and 1.
        renders: whether its trainer renders the chats with the tokenizer of the masks.
        file_bytes: most that one file may hold.
    """

    name: FormatName
    records: Callable[[Masked, ChatTokenizer | None], Iterable[Record]]
    loading: str
    schema: pa.Schema | None = None
    chats: bool = False
    weights: bool = False
    renders: bool = False
    file_bytes: int | None = None

    def writer(self, folder: Path, limit: int) -> "Writer":
        """Writes records into files of at most about `limit` bytes in the export's folder."""
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
        with last.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return DataFile(f"{FOLDER}/{last.name}", rows, last.stat().st_size, sha256)


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
