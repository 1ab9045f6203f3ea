"""The asset `trajectories`: one batch of recorded runs, cut into steps."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.errors import INTERNAL, Refusal, SrftError, excerpt_of
from srft_assets.home import Home
from srft_assets.trajectories.batches import Manifest, RunRef, read_manifest
from srft_assets.trajectories.discover import Found, Role, discover
from srft_assets.trajectories.formats import READERS, read_runs
from srft_assets.trajectories.model import (
    TRAJECTORIES,
    RecordError,
    Trajectory,
    from_row,
    joined,
    row_of,
)
from srft_assets.trajectories.records import Record
from srft_assets.trajectories.sources import SourceChangedError, open_source, read_item
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.recipe import Code, digest, source_digest
from srft_assets.warehouse.stage import Made, Progress, Stage, Work

Rows = tuple[pl.DataFrame, list[Refusal]]
"""Rows of a partition, and what was refused."""
REFUSALS_KEPT = 1000
"""Of a batch; of those after it their number and the last one."""
ASSET = "trajectories"
Collector = Callable[[Work, dict[str, Any]], Path]
"""Makes the raw runs of a batch from its settings; returns the folder of its `.traj.json`."""
VERSION = 6
"""Raised when the output changes; see tools/versions.py."""


def trajectories_stage(
    collectors: Mapping[str, Collector] = {}, collector_versions: Mapping[str, int] = {}
) -> Stage:
    """The stage; `collectors`, and versions of their output, by kind of batch.

    Only batches of a kind depend on the version of its collector.
    """
    code: Code = {"version": VERSION, "readers": source_digest("srft_assets.trajectories.formats")}

    def config_of(home: Home, batch: str) -> dict[str, Any]:
        manifest = read_manifest(home, batch)
        config = manifest.runs_config()
        if manifest.kind in collector_versions:
            config["collector version"] = collector_versions[manifest.kind]
        return config

    return Stage(
        key=ASSET,
        partitioned_by="batch",
        upstream=(),
        schema=TRAJECTORIES,
        code=code,
        make=lambda work: _make(work, collectors),
        apart=True,
        config_of=config_of,
        description=(
            "Recorded runs of coding agents in one canonical form: the chat as it was, and on "
            "top of it the steps, one for each turn of the assistant with its actions and the "
            "observations that answer them."
        ),
        kinds=frozenset({"parquet", "json"}),
    )


def write_partition(stage: Stage, home: Home, manifest: Manifest, rows: Rows) -> None:
    """Put the partition of a batch of files in place, whose rows were read as it was registered."""
    made = _made(manifest, rows)
    ready = replace(stage, make=lambda work: made)
    make_partition(ready, work_alone(ready, home, manifest.batch))


def _make(work: Work, collectors: Mapping[str, Collector]) -> Made:
    manifest = read_manifest(work.home, work.partition)
    if manifest.kind != "files":
        return _made(manifest, _collected(work, manifest, collectors))
    rows, lost = read_batch(manifest, work.progress)
    if lost:
        raise SourceChangedError(
            f"batch {manifest.batch}: {len(lost)} of {len(manifest.items)} sources are not as "
            f"they were ingested ({lost[0]}); the partition stays as it is. {_way_out(manifest)}"
        )
    return _made(manifest, rows)


def _way_out(manifest: Manifest) -> str:
    """What helps where sources are gone; only what can work."""
    root, family = manifest.folder(), f"--batch {manifest.family}"
    if not root.is_dir():
        return f"{root} is gone. Restore it, or say where it is: srft ingest FOLDER {family}"
    return f"Restore them, or run: srft ingest {root} {family}"


def _collected(work: Work, manifest: Manifest, collectors: Mapping[str, Collector]) -> Rows:
    """Have the runs of a batch made, and read them; files of another kind are the collector's."""
    if manifest.kind not in collectors:
        known = ", ".join(["files", *sorted(collectors)])
        raise SrftError(
            f"batch {manifest.batch} is of kind {manifest.kind!r}; this platform knows: {known}"
        )
    folder = collectors[manifest.kind](work, dict(manifest.settings))
    runs = Runs(manifest.format)
    played = (one for one in discover([folder]).files if one.path.endswith(".traj.json"))
    refused = _take(played, runs)
    frame, of_rows = runs.rows(manifest.batch)
    return frame, [*refused, *of_rows]


def _made(manifest: Manifest, rows: Rows) -> Made:
    frame, of_rows = rows
    told = [*(one.refusal() for one in manifest.refused), *of_rows]
    internal = sum(one.reason.startswith(INTERNAL) for one in told)
    return Made(
        frame=frame,
        refused=told,
        metadata={
            "runs": frame.height,
            "steps": int(frame["n_steps"].sum()),
            "characters": int(frame["messages"].str.len_chars().sum()),
            "refused": len(told),
            **({"internal errors": internal} if internal else {}),
            "by format": json.dumps(dict(sorted(Counter(frame["format"]).items()))),
        },
    )


class Runs:
    """The runs of one batch, taken record by record in the order of its items."""

    def __init__(self, format: str | None) -> None:
        self.format = format
        self._frames: list[pl.DataFrame] = []
        self._refused: list[Refusal] = []
        self._more: tuple[Refusal, int] | None = None
        self._first: dict[str, str] = {}

    def add(self, path: str, record: Record) -> list[RunRef]:
        """Take a record of the file `path`, below the root; the runs of it that were taken."""
        taken = []
        for made in [] if record.blank else self._rows(path, record):
            if isinstance(made, Refusal):
                self._refuse(made)
            else:
                row, ref = made
                self._frames.append(row)
                taken.append(ref)
        return taken

    def _refuse(self, refusal: Refusal) -> None:
        if len(self._refused) < REFUSALS_KEPT:
            self._refused.append(refusal)
        else:
            self._more = (refusal, 1 + (self._more[1] if self._more else 0))

    def _rows(self, path: str, record: Record) -> Iterator[tuple[pl.DataFrame, RunRef] | Refusal]:
        read = _read(path, record, self.format)
        if isinstance(read, Refusal):
            yield read
            return
        where = path if record.row is None else f"{path}, row {record.row}"
        for number, run in enumerate(read):
            place = f"{where}, run {number}" if number else where
            first = self._first.setdefault(run.trajectory_id, place)
            row = row_of(run, "") if first == place else None
            if isinstance(row, pl.DataFrame):
                yield row, _ref(run)
            elif row is None:
                reason = f"duplicate run {run.trajectory_id}: the first is {first}"
                yield Refusal(path, reason, record.row, run.trajectory_id)
            else:
                yield row

    def rows(self, batch: str) -> Rows:
        """All rows, of the partition `batch`."""
        frame = joined(self._frames)
        refused = list(self._refused)
        if self._more:
            last, count = self._more
            reason = f"{count} more rows of the batch are refused, this one: {last.reason}"
            refused.append(replace(last, reason=reason))
        return frame.with_columns(batch=pl.lit(batch)), refused


def runs_in(path: str, record: Record, format: str | None) -> list[RunRef]:
    """The runs that a record holds, as reports may speak of them."""
    read = Refusal(path, "") if record.blank else _read(path, record, format)
    return [] if isinstance(read, Refusal) else [_ref(run) for run in read]


def _ref(run: Trajectory) -> RunRef:
    patch = None if run.submission is None else patch_key(run.submission)
    states = patch is not None or READERS[run.format].patches
    return RunRef(run.instance_id, run.model, patch, run.exit_status if states else None)


def patch_key(patch: str) -> str:
    """16 hex digits, equal for patches that differ in nothing but the ends of lines; else empty."""
    bare = patch.replace("\r\n", "\n").strip("\n")
    return digest(bare)[:16] if bare.strip() else ""


def _read(path: str, record: Record, format: str | None) -> list[Trajectory] | Refusal:
    if record.problem:
        return Refusal(path, record.problem, record.row, excerpt=record.excerpt)
    value = record.value
    try:
        return read_runs(value, source=path, row=record.row or 0, format=format)
    except RecordError as error:
        reason = str(error)
    except Exception as error:  # a fault of ours, told as such: the rest of the batch goes on
        reason = f"{INTERNAL} of a reader: {type(error).__name__}: {excerpt_of(str(error))}"
        logging.getLogger(__name__).exception("%s, row %s: %s", path, record.row, reason)
    stated = value.get("instance_id") if isinstance(value, dict) else None
    subject = excerpt_of(stated) if isinstance(stated, str) else None
    excerpt = excerpt_of(str(value)[:400]) if not isinstance(value, dict) else ""
    return Refusal(path, reason, record.row, subject, excerpt)


def _take(files: Iterable[Found], runs: Runs) -> list[Refusal]:
    """Take the runs of files, whatever else they are; files that are refused as a whole."""
    refused = []
    for file in files:
        with file.at.open("rb") as opened:
            source = open_source(file, opened, runs.format)
            if source.ruling.role is Role.RUNS:
                for record in source.records:
                    runs.add(file.path, record)
            elif source.ruling.role is Role.REFUSED:
                refused.append(Refusal(file.path, source.ruling.reason, excerpt=source.excerpt))
    return refused


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


def read_files(path: Path, format: str | None = None) -> tuple[list[Trajectory], list[Refusal]]:
    """The runs of a file, or of all files below a folder, outside of any batch; all are held.

    Files of other roles (reports, predictions) are passed over. Raises UsageError where nothing
    is there.
    """
    found, runs = discover([path]), Runs(format)
    refused = _take((file for file in found.files if file.ruling is None), runs)
    frame, of_rows = runs.rows("")
    first = [one.refusal() for one in found.refused]
    return [from_row(row) for row in frame.iter_rows(named=True)], [*first, *refused, *of_rows]
