"""Rows as Parquet, encoded in a thread while more rows are made."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

WAITING = 2
"""Pieces that may wait for the thread, so that memory stays bounded where it is slow."""


class Encoding:
    """A Parquet file in memory that grows by one row group a piece.

    Compression needs no Python: on a second core it costs the maker of the rows nothing.
    `whole`: the frame of exactly the rows that were added, once they all were.
    """

    def __init__(self, schema: pl.Schema) -> None:
        self.whole: pl.DataFrame | None = None
        self._sink = pa.BufferOutputStream()
        kinds = schema.to_frame(eager=True).to_arrow().schema
        self._writer = pq.ParquetWriter(self._sink, kinds, compression="zstd")
        self._thread = ThreadPoolExecutor(1, "parquet")
        self._pieces: deque[Future[None]] = deque()

    def add(self, piece: pl.DataFrame) -> None:
        """Encode more rows, of the same schema. Raises what an earlier piece failed with."""
        table = piece.to_arrow()
        if len(self._pieces) == WAITING:
            self._pieces.popleft().result()
        self._pieces.append(self._thread.submit(self._writer.write_table, table))

    def finish(self, metadata: Mapping[bytes, bytes]) -> pa.Buffer:
        """The whole file, with key-value metadata. Raises what a piece failed with."""
        with self._thread:
            for piece in self._pieces:
                piece.result()
        self._writer.add_key_value_metadata(dict(metadata))
        self._writer.close()
        return self._sink.getvalue()


def encoding_of(frame: pl.DataFrame) -> Encoding:
    """The encoding of rows that are there already."""
    encoding = Encoding(frame.schema)
    encoding.add(frame)
    encoding.whole = frame
    return encoding
