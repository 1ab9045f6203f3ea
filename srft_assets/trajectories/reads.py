"""Reading a whole batch: its records to runs, and what was refused on the way."""

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from srft_assets.refusal import Refusal, excerpt_of
from srft_assets.trajectories.errors import RecordError
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.manifest import Item
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.sources import Record, open_records
from srft_assets.trajectories.tables import BadTableError

READER_SLIPS = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
"""What a reader may raise on a record that nobody foresaw: one record is refused, not a batch."""


class Known:
    """Runs that are there already: in this batch so far, and in the batches registered before.

    `held`: trajectory id → the earlier batch that holds it.
    """

    def __init__(self, held: Mapping[str, str] = {}) -> None:
        self.held = held
        self.first: dict[str, str] = {}

    def refusal(self, name: str, source: str, row: int | None) -> Refusal | None:
        """Why a run is refused that is there already; None for a new one, which is known then."""
        if name in self.first:
            reason = f"duplicate run {name}: the first is {self.first[name]}"
        elif name in self.held:
            reason = f"duplicate run {name}: batch {self.held[name]} holds it"
        else:
            self.first[name] = source if row is None else f"{source}, row {row}"
            return None
        return Refusal(source, reason, row=row, subject=name)


def row_of(item: Item, row: int) -> int | None:
    """The row as people are told it: a file that is one record has none."""
    return None if item.layout == "object" else row


def runs_of(
    root: Path,
    items: Iterable[Item],
    format: str | None,
    refused: list[Refusal],
    known: Known | None = None,
) -> Iterator[Trajectory]:
    """Read all records of `items`, in their order, one at a time; refusals go to `refused`.

    With `known`, a run that is there already is refused, too.
    """
    for item in items:
        for outcome in _read(root, item, format):
            if isinstance(outcome, Refusal):
                refused.append(outcome)
                continue
            row = row_of(item, outcome.row)
            again = known.refusal(outcome.trajectory_id, outcome.source, row) if known else None
            if again is not None:
                refused.append(again)
            else:
                yield outcome


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for reference cycles: JSON has none, and it doubles the time.

    What is read within must be let go of within, or the search goes through all of it after.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(root: Path, item: Item, format: str | None) -> Iterator[Trajectory | Refusal]:
    try:
        for record in open_records(root, item):
            yield record if isinstance(record, Refusal) else _read_one(record, format)
    except BadTableError as error:
        yield Refusal(item.path, str(error))


def _read_one(record: Record, format: str | None) -> Trajectory | Refusal:
    try:
        return read_record(
            record.value,
            source=record.source,
            row=record.row or 0,
            hint=record.source,
            format=format,
        )
    except RecordError as error:
        reason = str(error)
    except READER_SLIPS as error:
        reason = f"the reader failed with {type(error).__name__}: {excerpt_of(str(error))}"
    return Refusal(
        record.source,
        reason,
        row=record.row,
        subject=_subject(record.value),
        excerpt=excerpt_of(str(record.value)[:400]) if not isinstance(record.value, dict) else "",
    )


def _subject(value: object) -> str | None:
    stated = value.get("instance_id") if isinstance(value, dict) else None
    return excerpt_of(stated) if isinstance(stated, str) else None
