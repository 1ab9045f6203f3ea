"""Records to rows of a batch: what is read, and what is refused on the way."""

import logging

import polars as pl

from srft_assets.refusal import INTERNAL, Refusal, excerpt_of
from srft_assets.trajectories.batches import Manifest
from srft_assets.trajectories.fields import RecordError
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.records import Record
from srft_assets.trajectories.schema import RUNS_AT_ONCE, TRAJECTORIES, frame_of
from srft_assets.trajectories.sources import SourceChangedError, read_item
from srft_assets.warehouse.stage import Progress

Rows = tuple[pl.DataFrame, list[Refusal]]
"""Rows of a partition, and what was refused."""


class Runs:
    """The runs of one batch, taken record by record in the order of its items.

    Holds their rows, and a few runs that are yet to become rows.
    """

    def __init__(self, format: str | None) -> None:
        self.format = format
        self._frames = [TRAJECTORIES.to_frame()]
        self._waiting: list[Trajectory] = []
        self._refused: list[Refusal] = []
        self._first: dict[str, str] = {}

    def add(self, path: str, record: Record) -> None:
        """Take a record of the file `path`, below the root."""
        if record.blank:
            return
        read = _read(path, record, self.format)
        if isinstance(read, Refusal):
            self._refused.append(read)
            return
        place = path if record.row is None else f"{path}, row {record.row}"
        first = self._first.setdefault(read.trajectory_id, place)
        if first != place:
            reason = f"duplicate run {read.trajectory_id}: the first is {first}"
            self._refused.append(Refusal(path, reason, record.row, read.trajectory_id))
            return
        self._waiting.append(read)
        if len(self._waiting) == RUNS_AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        frame, unfit = frame_of(self._waiting, "")
        self._frames.append(frame)
        self._refused += unfit
        self._waiting.clear()

    def rows(self, batch: str) -> Rows:
        """All rows, of the partition `batch`."""
        self._settle()
        frame = pl.concat(self._frames, rechunk=True)
        return frame.with_columns(batch=pl.lit(batch)), self._refused


def _read(path: str, record: Record, format: str | None) -> Trajectory | Refusal:
    if record.problem:
        return Refusal(path, record.problem, record.row, excerpt=record.excerpt)
    value = record.value
    try:
        return read_record(value, source=path, row=record.row or 0, hint=path, format=format)
    except RecordError as error:
        reason = str(error)
    except Exception as error:  # a fault of ours, told as such: the rest of the batch goes on
        reason = f"{INTERNAL} of a reader: {type(error).__name__}: {excerpt_of(str(error))}"
        logging.getLogger(__name__).exception("%s, row %s: %s", path, record.row, reason)
    stated = value.get("instance_id") if isinstance(value, dict) else None
    subject = excerpt_of(stated) if isinstance(stated, str) else None
    excerpt = excerpt_of(str(value)[:400]) if not isinstance(value, dict) else ""
    return Refusal(path, reason, record.row, subject, excerpt)


def read_batch(manifest: Manifest, progress: Progress) -> tuple[Rows, list[str]]:
    """The rows of a batch of files, and which of its sources changed since, or are gone."""
    runs, root = Runs(manifest.format), manifest.folder()
    lost: list[str] = []
    done, label = 0, f"reading {manifest.batch}"
    progress.report(label, done, manifest.rows)
    for item in manifest.items:
        try:
            for record in read_item(root, item):
                runs.add(item.path, record)
        except SourceChangedError as error:
            lost.append(str(error))
        done += item.rows
        progress.report(label, done, manifest.rows)
    return runs.rows(manifest.batch), lost
