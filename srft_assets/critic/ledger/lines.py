"""Reading the file of a writer, which may still grow."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from srft_assets.critic.ledger.record import Entry, decode, fault, key_of, to_row

Place = int
"""Where a file holds an entry: the offset of its line, or its row."""


class LinesFile:
    """`<date>-<host>-<pid>-<random>.jsonl`. Damaged and torn lines are passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._inode = path.stat().st_ino

    def new(self) -> Iterator[tuple[bytes, Place]]:
        """Key and offset of each sound line that came since the last call.

        A line without its end waits for it. Raises FileNotFoundError where compaction took
        the file, or a person put another in its place.
        """
        state = self.path.stat()
        if state.st_ino != self._inode or state.st_size < self._read:
            raise FileNotFoundError(f"{self.path} is another file than it was")
        if state.st_size == self._read:
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                place, self._read = self._read, self._read + len(line)
                if fault(line) is None:
                    yield key_of(line), place

    def read(self, places: Sequence[Place]) -> Iterator[Entry]:
        """The entries at these offsets, in their order. Raises FileNotFoundError as `new`."""
        with self.path.open("rb") as file:
            for place in places:
                file.seek(place)
                yield decode(file.readline())

    def rows(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Offset and columns of every sound line, in order."""
        place = 0
        with self.path.open("rb") as file:
            for line in file:
                if fault(line) is None:
                    yield place, to_row(line)
                place += len(line)

    def close(self) -> None:
        """Nothing is held open between calls."""
