"""Numbered data files of a bounded size, the same bytes for the same records."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = "data"
GROUP_BYTES = 4 << 20
"""Size of a row group in memory: what is held before it is written."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file; `name` is relative to the export's folder."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Shards(Protocol):
    """Takes records and writes them into files of at most about `limit` bytes."""

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record."""

    def close(self) -> list[DataFile]:
        """Write what is held, name the files, and tell them."""


class _Numbered:
    """`train-00000.<suffix>` and so on; named for their number when all are there."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self.suffix = folder / FOLDER, suffix
        self.folder.mkdir()
        self.rows: list[int] = []

    def begin(self) -> BinaryIO:
        self.rows.append(0)
        return self._path(len(self.rows) - 1).open("wb")

    def end(self, file: BinaryIO) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()

    def named(self) -> list[DataFile]:
        return [self._name(number, rows) for number, rows in enumerate(self.rows)]

    def _path(self, number: int) -> Path:
        return self.folder / f"train-{number:05}.{self.suffix}"

    def _name(self, number: int, rows: int) -> DataFile:
        last = self.folder / f"train-{number:05}-of-{len(self.rows):05}.{self.suffix}"
        self._path(number).rename(last)
        with last.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return DataFile(f"{FOLDER}/{last.name}", rows, last.stat().st_size, sha256)


class ParquetShards:
    """Parquet with a fixed schema: a column that is empty in one file has its type there too.

    Without any record there is one file, without rows.
    """

    def __init__(self, folder: Path, limit: int, schema: pa.Schema) -> None:
        self.files, self.limit, self.schema = _Numbered(folder, "parquet"), limit, schema
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
        return self.files.named()

    def _write_group(self) -> None:
        """A group larger than the room left begins a file; compressed it is rarely larger."""
        table = pa.concat_tables(self.held or [self.schema.empty_table()]).combine_chunks()
        if self.writer is not None and self.file.tell() + table.nbytes > self.limit:
            self._end()
        if self.writer is None:
            self.file = self.files.begin()
            self.writer = pq.ParquetWriter(self.file, self.schema, compression="zstd")
        self.writer.write_table(table)
        self.files.rows[-1] += table.num_rows
        self.held, self.held_bytes = [], 0

    def _end(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.files.end(self.file)
            self.writer = None


class JsonLinesShards:
    """One JSON object a line. Without any record there is one empty file."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.files, self.limit = _Numbered(folder, "jsonl"), limit
        self.file = self.files.begin()

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record of JSON-able values."""
        line = orjson.dumps(record) + b"\n"
        if self.files.rows[-1] and self.file.tell() + len(line) > self.limit:
            self.files.end(self.file)
            self.file = self.files.begin()
        self.file.write(line)
        self.files.rows[-1] += 1

    def close(self) -> list[DataFile]:
        """Name the files and tell them."""
        self.files.end(self.file)
        return self.files.named()
