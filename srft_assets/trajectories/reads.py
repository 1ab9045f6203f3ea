"""Reading a whole batch: its records to runs, and what was refused on the way."""

from collections.abc import Iterable, Iterator
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


def runs_of(
    root: Path,
    items: Iterable[Item],
    format: str | None,
    refused: list[Refusal],
) -> Iterator[Trajectory]:
    """Read all records of `items`, in their order, one at a time; refusals go to `refused`."""
    for item in items:
        for outcome in _read(root, item, format):
            if isinstance(outcome, Refusal):
                refused.append(outcome)
            else:
                yield outcome


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
