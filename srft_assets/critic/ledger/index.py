"""Which file holds the reply to which request, and where."""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from srft_assets.critic.call import Reply
from srft_assets.critic.ledger.compacted import CompactedFile
from srft_assets.critic.ledger.folder import (
    compaction_number,
    is_lines,
    newest_compaction_first,
)
from srft_assets.critic.ledger.lines import LinesFile
from srft_assets.critic.ledger.record import Entry

PLACE_BITS = 48
"""Number of the file and place in it make one integer: a key costs about 200 bytes."""


class Index:
    """Keys and places of the replies in some files of one folder; no contents.

    Every method that reads raises FileNotFoundError where compaction took a file, and SrftError
    where a compacted file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[LinesFile | CompactedFile] = []
        self._places: dict[bytes, int] = {}
        self.indexed = 0
        """Entries seen, doubled keys counted as often as they are there."""
        self.names: set[str] = set()
        self.merged: frozenset[str] = frozenset()
        """Files that an indexed compaction has merged: they hold nothing else."""

    def update(self, names: Iterable[str]) -> None:
        """Index what is new in these files, less those that another of them has merged."""
        self.open(names)
        for number, file in enumerate(self._files):
            for key, place in file.new():
                self._add(key, number << PLACE_BITS | place)
                self.indexed += 1

    def outdated(self, names: Collection[str]) -> bool:
        """Whether these are no longer the indexed files and some more of writers.

        Compaction took some, or put a file in place that holds what is indexed already.
        """
        known = self.names | self.merged
        compactions = {name for name in names if compaction_number(name)}
        return not self.names <= set(names) or not compactions <= known

    def open(self, names: Iterable[str]) -> None:
        """Open these files, less those that another of them has merged, and read no keys yet."""
        for name in newest_compaction_first(names):
            if name in self.names or name in self.merged:
                continue
            path = self._folder / name
            file = LinesFile(path) if is_lines(name) else CompactedFile(path)
            if isinstance(file, CompactedFile):
                self.merged |= file.sources
            self._files.append(file)
            self.names.add(name)

    def _add(self, key: bytes, packed: int) -> None:
        there = self._places.setdefault(key, packed)
        if there != packed:
            orders = {each: next(self._read([each])).order for each in (there, packed)}
            self._places[key] = min(orders, key=orders.__getitem__)

    def __contains__(self, key: str) -> bool:
        return key.encode() in self._places

    def find(self, keys: Collection[str]) -> dict[str, Reply]:
        """The replies to those of the keys that are indexed."""
        places = (self._places.get(key.encode()) for key in set(keys))
        found = self._read(place for place in places if place is not None)
        return {entry.reply.key: entry.reply for entry in found}

    def _read(self, packed: Iterable[int]) -> Iterator[Entry]:
        for number, group in groupby(sorted(packed), key=lambda each: each >> PLACE_BITS):
            yield from self._files[number].read([each & (1 << PLACE_BITS) - 1 for each in group])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every reply once, as a row of `LEDGER`, in the order in which it was written."""
        for number, file in enumerate(self._files):
            for place, row in file.rows():
                if self._places[row["key"].encode()] == number << PLACE_BITS | place:
                    yield row

    def close(self) -> None:
        """Let the files go and forget everything."""
        for file in self._files:
            file.close()
        self._files.clear()
        self._places.clear()
        self.names.clear()
        self.indexed = 0
        self.merged = frozenset()
