"""A data set as `datasets` saves it: what trainers take that call `load_from_disk`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from srft_assets.exports.writer import DataFile, Writer, data_file

HELD = "held.arrow"
"""The rows until they are divided into files."""


class SavedDataset(Writer):
    """A `DatasetDict` with the split `train`, saved by `save_to_disk` into `data/`.

    Its fingerprint is made of the rows, so the same rows give the same bytes.
    """

    def __init__(self, folder: Path, limit: int, schema: pa.Schema) -> None:
        super().__init__(folder, limit, "arrow")
        self.schema = schema
        self.held = self.folder / HELD
        self.file = self.held.open("wb")
        self.stream = pa.ipc.new_stream(self.file, schema)
        self.count = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record whose cells are plain values or arrays."""
        self.stream.write_table(pa.Table.from_pylist([record], self.schema))
        self.count += 1

    def close(self) -> list[DataFile]:
        """Save the rows, and tell the files: those with rows first."""
        from datasets import Dataset, DatasetDict, DatasetInfo, Features
        from datasets.table import MemoryMappedTable

        self.stream.close()
        self.file.close()
        digest = data_file(self.folder, self.held, self.count).sha256
        rows = Dataset(
            MemoryMappedTable.from_file(str(self.held)),
            info=DatasetInfo(features=Features.from_arrow_schema(self.schema)),
            split="train",
            fingerprint=digest[:16],
        )
        with _silent():
            DatasetDict({"train": rows}).save_to_disk(self.folder, max_shard_size=self.limit)
        del rows
        self.held.unlink()
        shards = sorted(self.folder.glob("train/*.arrow"))
        others = sorted(self.folder.rglob("*.json"))
        return [self._told(path) for path in (*shards, *others)]

    def _told(self, path: Path) -> DataFile:
        count = 0
        if path.suffix == ".arrow":
            with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
                count = sum(batch.num_rows for batch in stream)
        return data_file(self.folder, path, count)


@contextmanager
def _silent() -> Iterator[None]:
    """Without the bars of `datasets`: the export has one of its own."""
    from datasets.utils.logging import (
        disable_progress_bar,
        enable_progress_bar,
        is_progress_bar_enabled,
    )

    shown = cast(bool, is_progress_bar_enabled())
    disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            enable_progress_bar()
