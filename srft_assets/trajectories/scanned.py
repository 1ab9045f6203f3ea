"""What one look at a file found, and the rows that a batch takes of it."""

import re
from dataclasses import dataclass

from srft_assets.trajectories.manifest import FileRef, Item, Layout, RefusedFile
from srft_assets.trajectories.roles import Ruling
from srft_assets.trajectories.sources import digest_of
from srft_assets.trajectories.spans import Rows
from srft_assets.trajectories.walk import Found

_KEY = re.compile(r"\.(traj|report|json|jsonl|ndjson)\b")


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one look at a file found. `index` is None for tables and single records."""

    found: Found
    ruling: Ruling
    layout: Layout = "object"
    blake3: str = ""
    rows: int = 1
    index: Rows | None = None
    excerpt: str = ""

    @property
    def path(self) -> str:
        """Path below the root."""
        return self.found.path

    @property
    def row_bytes(self) -> int:
        """Bytes of a row on average."""
        return max(1, self.found.size // max(1, self.rows))

    def ref(self) -> FileRef:
        """The file with its hash."""
        return FileRef(path=self.path, blake3=self.blake3)

    def refused(self) -> RefusedFile:
        """The refusal, for the manifest."""
        return RefusedFile(path=self.path, reason=self.ruling.reason, excerpt=self.excerpt)

    def item(self, first: int, rows: int) -> Item:
        """Rows `first` to `first + rows` of the file. Reads them, for their hash."""
        start, end, sha = 0, self.found.size, self.blake3
        if self.index is not None:
            start, end = self.index.span(first, rows)
            if (first, rows) != (0, self.rows) or self.layout == "array":
                with self.found.at.open("rb") as file:
                    sha = digest_of(file, start, end)
        return Item(
            path=self.path,
            layout=self.layout,
            first_row=first,
            rows=rows,
            start=start,
            end=end,
            bytes=rows * self.row_bytes if self.index is None else end - start,
            blake3=sha,
            file_blake3=self.blake3,
            size=self.found.size,
            mtime_ns=self.found.mtime_ns,
            ctime_ns=self.found.ctime_ns,
        )


def hashed(found: Found) -> FileRef:
    """A file with its hash, for evidence beside a report."""
    with found.at.open("rb") as file:
        return FileRef(path=found.path, blake3=digest_of(file, 0, found.size))


def path_keys(path: str) -> set[str]:
    """What a path says of the instance: the names of its folders, and of the file bare."""
    parts = path.split("/")
    return {*parts[:-1], _KEY.sub("", parts[-1])}
