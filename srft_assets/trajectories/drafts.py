"""Batches in the making: rows are put into them so that a row that has a place keeps it."""

from dataclasses import dataclass, field

from blake3 import blake3

from srft_assets.trajectories.batches import Item, Manifest, RefusedFile
from srft_assets.trajectories.records import Record
from srft_assets.trajectories.runs import Runs
from srft_assets.trajectories.sources import Source, count_line

BATCH_BYTES = 256 << 20
"""A batch is closed when its rows would take more, so that one fits into memory."""


@dataclass(slots=True)
class Draft:
    """A batch in the making.

    Attributes:
        name: of the batch; of a new one empty until it is known.
        old: its manifest so far, None for a new one.
        items: of the batch as it will be.
        rows: that it holds, or may still hold; `bytes` likewise.
        refused: files that were refused while it was filled.
        runs: of a new batch all its rows; those of an old one are read again where it changed.
    """

    name: str = ""
    old: Manifest | None = None
    items: list[Item] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    refused: list[RefusedFile] = field(default_factory=list)
    runs: Runs | None = None

    def has_room(self, size: int, batch_size: int) -> bool:
        """Whether a row of `size` bytes fits; the first always does, however large."""
        fits = self.rows < batch_size and self.bytes + size <= BATCH_BYTES
        return fits or not self.rows


class Cut:
    """Consecutive rows of one file on their way into a batch; `start` is their first byte."""

    def __init__(self, source: Source, draft: Draft, start: int) -> None:
        self.source = source
        self.draft = draft
        self.start = self.end = start
        self.first = 0
        self.rows = self.bytes = 0
        self.content = blake3()

    def add(self, record: Record) -> None:
        """Put a row at the end."""
        if not self.rows:
            self.first = record.row or 0
        if self.source.layout == "lines":
            count_line(self.content, self.source.found.at, self.end, record)
        if self.draft.runs is not None:
            self.draft.runs.add(self.source.found.path, record)
        self.rows += 1
        self.bytes += record.size
        self.end += record.size

    def item(self) -> Item:
        """The rows, as a manifest names them."""
        found, lines = self.source.found, self.source.layout == "lines"
        return Item(
            path=found.path,
            layout=self.source.layout,
            first_row=self.first,
            rows=self.rows,
            start=self.start if lines else 0,
            end=self.end if lines else found.size,
            bytes=self.bytes,
            blake3=self.content.hexdigest() if lines else self.source.blake3,
            size=found.size,
            mtime_ns=found.mtime_ns,
            ctime_ns=found.ctime_ns,
        )
