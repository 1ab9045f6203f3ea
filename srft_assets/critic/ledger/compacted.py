"""Reading and writing the Parquet file of a compaction."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from srft_assets.critic.ledger.lines import Place
from srft_assets.critic.ledger.record import Entry, from_row
from srft_assets.errors import SrftError
from srft_assets.warehouse.ledger_schema import LEDGER

SOURCES = b"srft.ledger.sources"
"""Metadata: JSON list of the files that were merged, to be passed over where still there."""
ROWS = 256
"""Rows of a row group, about 1 MB: what one look-up decompresses."""


class CompactedFile:
    """`compact-<n>.parquet`. Raises SrftError where it is damaged: too costly to pass over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fresh = True
        try:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise self._damaged(error) from error

    @property
    def sources(self) -> frozenset[str]:
        """Names of the files that were merged."""
        return frozenset(orjson.loads((self._file.schema_arrow.metadata or {}).get(SOURCES, b"[]")))

    def new(self) -> Iterator[tuple[bytes, Place]]:
        """Key and row of each entry; nothing when called again."""
        if not self._fresh:
            return
        self._fresh = False
        row = 0
        for batch in self._batches(["key"]):
            for key in batch.column(0).to_pylist():
                yield key.encode(), row
                row += 1

    def read(self, places: Sequence[Place]) -> Iterator[Entry]:
        """The entries of these rows. They must ascend: each row group is read once."""
        for group, rows in groupby(places, key=lambda place: place // ROWS):
            try:
                table = self._file.read_row_group(group)
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(error) from error
            taken = table.take([row - group * ROWS for row in rows])
            yield from map(from_row, taken.to_pylist())

    def rows(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Number and columns of every row, in order."""
        yield from enumerate(row for batch in self._batches(None) for row in batch.to_pylist())

    def _batches(self, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._file.iter_batches(columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> SrftError:
        line = " ".join(str(error).split())[:200]
        return SrftError(f"{self.path} is damaged: {line}; put back a copy, or move it away")

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def write_compacted(path: Path, rows: Iterable[Mapping[str, Any]], sources: Sequence[str]) -> int:
    """Write rows (columns of `LEDGER`) to a new file and fsync it; how many there were."""
    schema = pl.DataFrame(schema=LEDGER).to_arrow().schema
    schema = schema.with_metadata({SOURCES: orjson.dumps(sorted(sources))})
    written = 0
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            for group in _grouped(rows):
                frame = pl.DataFrame(group, schema=LEDGER, orient="row")
                writer.write_table(frame.to_arrow().cast(schema), row_group_size=ROWS)
                written += len(group)
        file.flush()
        os.fsync(file.fileno())
    return written


def _grouped(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[tuple[Any, ...]]]:
    group: list[tuple[Any, ...]] = []
    for row in rows:
        group.append(tuple(row.get(name) for name in LEDGER))
        if len(group) == ROWS:
            yield group
            group = []
    if group:
        yield group
