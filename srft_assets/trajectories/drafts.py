"""Putting rows into batches, so that a row that has a place keeps it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from srft_assets.trajectories.manifest import Item, Manifest
from srft_assets.trajectories.scanned import Scanned

BATCH_BYTES = 256 << 20
"""A batch is closed when its rows would take more, so that one fits into memory."""


@dataclass(slots=True)
class Draft:
    """A batch in the making; `old` is its manifest so far, `rows` and `bytes` are of `items`."""

    old: Manifest | None = None
    items: list[Item] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0

    def add(self, item: Item) -> None:
        """Put the item at the end."""
        self.items.append(item)
        self.rows += item.rows
        self.bytes += item.bytes


class Drafts:
    """The batches of one family, in the order of their registration."""

    def __init__(self, family: Iterable[Manifest], batch_size: int) -> None:
        self.all = [Draft(manifest) for manifest in family]
        self.batch_size = batch_size

    def keep(self, draft: Draft, item: Item) -> None:
        """An item as it was."""
        draft.add(item)

    def renew(self, scanned: Scanned, places: list[tuple[Draft, Item]]) -> int:
        """Cut a file that has places already at the same rows as before.

        Returns the first row that has no place yet. Where the file became shorter, places at
        its end fall away.
        """
        first = 0
        for draft, item in sorted(places, key=lambda place: place[1].first_row):
            rows = min(item.first_row + item.rows, scanned.rows) - item.first_row
            if rows > 0:
                draft.add(scanned.item(item.first_row, rows))
                first = item.first_row + rows
        return first

    def fill(self, scanned: Scanned, first: int) -> None:
        """Put the rows from `first` on into the last batch while it has room, then into new ones.

        A batch takes at least one row, however large.
        """
        while first < scanned.rows:
            draft = self._last()
            room = min(
                self.batch_size - draft.rows, (BATCH_BYTES - draft.bytes) // scanned.row_bytes
            )
            if room < 1 and draft.items:
                self.all.append(Draft())
                continue
            rows = min(max(room, 1), scanned.rows - first)
            draft.add(scanned.item(first, rows))
            first += rows

    def _last(self) -> Draft:
        if not self.all:
            self.all.append(Draft())
        return self.all[-1]


def names_of(drafts: list[Draft], family: str) -> list[str]:
    """NAME where there is one batch, else NAME-000, NAME-001, …; a name once given stays."""
    if len(drafts) == 1:
        return [drafts[0].old.batch if drafts[0].old else family]
    return [
        draft.old.batch if draft.old else f"{family}-{index:03}"
        for index, draft in enumerate(drafts)
    ]
