"""The batches of a platform: what each is made from, and registering one.

A batch is a row of the table `batches`: its name, and as JSON its manifest.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from srft_assets.database.read import read_rows
from srft_assets.errors import Refusal, SrftError, UsageError, first_problem
from srft_assets.files import move
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive
from srft_assets.trajectories.renaming import finish, journal
from srft_assets.warehouse.partitions import PARTITION_NAME, check_partition_name
from srft_assets.warehouse.recipe import digest

LOG = logging.getLogger(__name__)
LAB = "lab"
"""Kind of the batches that the lab's teacher plays."""

Layout = Literal["object", "lines", "array", "parquet", "arrow", "session", "eval"]
"""How a file holds its records.

`object`: the whole file is one run; `lines`: JSON Lines; `array`: a JSON array of rows;
`parquet` and `arrow` (stream, or IPC file): tables; `session`: JSON Lines that are one run
together, followed by the lines that cannot be read; `eval`: a log of Inspect, each sample a record.
"""


WHOLE = ("object", "session")
"""Layouts of a file that is one run."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileRef(_Frozen):
    """A file below `Manifest.root`, with the BLAKE3 hash of its content."""

    path: str
    blake3: str


class RunRef(NamedTuple):
    """What of a run tells which reports may be of it.

    `patch`: the head of the hash of what was submitted, its line ends aside; empty where that is
    nothing, None where the run does not say.
    """

    instance_id: str
    model: str | None
    patch: str | None
    exit_status: str | None


class Item(_Frozen):
    """Consecutive rows of one file. `blake3` covers bytes `start` to `end`.

    Rows of a table (`parquet`, `arrow`) have no byte range: there it covers the whole file.
    `runs` are those of its rows that are runs, in order; None where earlier versions wrote it.
    `bytes` is what the rows take, for tables on average.
    """

    path: str
    layout: Layout
    first_row: int = 0
    rows: int = 1
    start: int = 0
    end: int = 0
    bytes: int
    blake3: str
    size: int
    mtime_ns: int
    ctime_ns: int
    runs: tuple[RunRef, ...] | None = None

    @property
    def label(self) -> str:
        """The path, with its rows where the file holds several."""
        if self.layout in WHOLE:
            return self.path
        return f"{self.path} rows {self.first_row}-{self.first_row + self.rows - 1}"


class ReportRef(FileRef):
    """A grading report, or predictions, and of which runs they may speak.

    Attributes:
        instance_ids: empty where it speaks of many instances.
        evidence: what the grader left beside it (test_output.txt, run_instance.log, …).
        root: where it lies, if that is not below `Manifest.root`.
        named: the user named the batch for it, and gave no runs with it.
        scope: the nearest folder above it that holds runs; None where earlier versions wrote it.
    """

    instance_ids: tuple[str, ...] = ()
    evidence: tuple[FileRef, ...] = ()
    root: str | None = None
    named: bool = False
    scope: str | None = None

    def config(self) -> dict[str, str]:
        """What of it decides outcomes: contents, and of which runs it may speak."""
        # The empty lists keep what earlier versions made of reports without rivals.
        joins = digest([self.named, self.scope, [], [], []])[:8]
        place = f"{self.path} {self.blake3[:8]}" if self.root else self.path
        config = {f"report {place}": f"{self.blake3[:16]} {joins}"}
        return config | {f"evidence {file.path}": file.blake3[:16] for file in self.evidence}


class RefusedFile(_Frozen):
    """A file that ingest refused; the quarantine of the batch's partition repeats it."""

    path: str
    reason: str
    row: int | None = None
    excerpt: str = ""

    def refusal(self) -> Refusal:
        """As the warehouse keeps it."""
        return Refusal(self.path, self.reason, row=self.row, excerpt=self.excerpt)


class Manifest(_Frozen):
    """What one batch is made from.

    `kind` is `files`, or the name of a collector that makes the runs from `settings`.
    `family`: the name given at ingest; its batches are NAME, or NAME-000, NAME-001, …
    `others`: where there are reports, the runs in other batches of the family of instances that
    this one holds too, with the paths of their files: a report may be of any of them.
    """

    batch: str
    kind: str = "files"
    family: str
    root: str | None = None
    format: str | None = None
    items: tuple[Item, ...] = ()
    reports: tuple[ReportRef, ...] = ()
    predictions: tuple[ReportRef, ...] = ()
    others: tuple[tuple[str, RunRef], ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Records the batch holds before any is refused."""
        return sum(item.rows for item in self.items)

    def folder(self) -> Path:
        """The ingested root. Raises SrftError for a batch that was not made from files."""
        if self.root is None:
            raise SrftError(f"batch {self.batch} is of kind {self.kind}: it has no source folder")
        return Path(self.root)

    def placed(self, put: Callable[[str], str]) -> "Manifest":
        """The same batch, its folders put elsewhere: `put` is given each and says where."""
        update: dict[str, Any] = {"root": self.root and put(self.root)}
        for part in ("reports", "predictions"):
            refs: tuple[ReportRef, ...] = getattr(self, part)
            update[part] = tuple(
                ref.model_copy(update={"root": put(ref.root)}) if ref.root else ref for ref in refs
            )
        return self.model_copy(update=update)

    def runs_config(self) -> dict[str, Any]:
        """Settings that decide the runs of the batch: contents, never places or times.

        One key a file, so that a plan can name the file that changed.
        """
        if self.kind != "files":
            return {"kind": self.kind, "settings": self.settings}
        config: dict[str, Any] = {"kind": self.kind, "format": self.format}
        config |= {f"file {item.label}": item.blake3[:16] for item in self.items}
        for refused in self.refused:
            config[f"refused {refused.path}"] = digest(refused.model_dump())[:16]
        return config

    def reports_config(self) -> dict[str, Any]:
        """Settings that decide the outcomes read from what graders left: contents only."""
        config: dict[str, Any] = {}
        for file in (*self.reports, *self.predictions):
            config |= file.config()
        if self.others:
            others = [[path, *run] for path, run in self.others]
            config["runs in other batches"] = digest(others)[:16]
        return config


def batch_names(home: Home) -> list[str]:
    """All registered batches, sorted by name."""
    return sorted(name for (name,) in _rows(home, "SELECT name FROM batches"))


def manifests(home: Home) -> list[Manifest]:
    """All manifests in the order of their registration, but for those that are damaged.

    The name of a damaged one is free to be ingested again.
    """
    found = _rows(home, "SELECT name, manifest FROM batches ORDER BY number")
    sound = []
    for name, content in found:
        try:
            sound.append(_parsed(f"batch {name}", content, home.root))
        except SrftError as error:
            LOG.warning("%s", error)
    return sound


def read_manifest(home: Home, batch: str) -> Manifest:
    """The manifest of a batch. Raises SrftError where it is absent or damaged."""
    found = _rows(home, "SELECT manifest FROM batches WHERE name = :name", name=batch)
    if not found:
        raise SrftError(f"no batch {batch!r}: register it with `srft ingest`")
    return _parsed(f"batch {batch}", found[0][0], home.root)


def family_of(home: Home) -> Callable[[str], str]:
    """Of a batch the name that was given at ingest, and shared by the parts of one that was split;
    of any other name itself. Manifests are read when it is asked first."""

    @cache
    def families() -> dict[str, str]:
        return {one.batch: one.family for one in manifests(home)}

    return lambda batch: families().get(batch, batch)


def written_ns(home: Home) -> dict[str, int]:
    """When the manifest of each batch was written last, in nanoseconds since 1970."""
    return dict(_rows(home, "SELECT name, written_ns FROM batches"))


def manifest_digest(home: Home, batch: str) -> str:
    """64 hex digits over all that decides runs and outcomes of a batch. Raises SrftError."""
    manifest = read_manifest(home, batch)
    return digest([manifest.runs_config(), manifest.reports_config()])


def _rows(home: Home, query: str, **values: str) -> list[tuple[Any, ...]]:
    if home.batches.is_dir():
        _take_over(home)
    if journal(home).exists():
        finish(home)
    return read_rows(home, query, **values)


INGEST = "ingest its runs again: srft ingest PATH --batch NAME, NAME without its -000, -001, …"
"""What mends a batch."""


@lru_cache(maxsize=4096)
def _parsed(place: str, content: str | bytes, root: Path, advice: str = INGEST) -> Manifest:
    try:
        return Manifest.model_validate_json(content).placed(lambda stored: str(root / stored))
    except ValidationError as error:
        said = first_problem(error)
        raise SrftError(f"{place}: damaged manifest ({said}); {advice}") from None


@contextmanager
def registering(home: Home) -> Iterator[None]:
    """Hold the platform's registration lock; the kernel lets go of it if the process dies."""
    from srft_assets.database.store import database_of

    with exclusive(database_of(home).locks / "batches.lock"):
        yield


def write_manifests(home: Home, written: Iterable[Manifest]) -> list[str]:
    """Register batches, or replace what they are made from; all, or none where it is interrupted.

    Gives the names of those that changed: a manifest that is there already is not written again.
    A batch keeps its place in the order of registration.
    """
    import sqlalchemy as sa

    from srft_assets.database.store import BATCHES, database_of

    changed = []
    with database_of(home).write() as connection:
        for one in written:
            here = BATCHES.c.name == check_partition_name(one.batch)
            old = connection.scalar(sa.select(BATCHES.c.manifest).where(here))
            stored = one.placed(lambda place: _kept(Path(place), home.root))
            row = {"manifest": stored.model_dump_json(), "written_ns": time.time_ns()}
            if old == row["manifest"]:
                continue
            changed.append(one.batch)
            if old is None:
                last = connection.scalar(sa.select(sa.func.max(BATCHES.c.number)))
                number = 0 if last is None else last + 1
                connection.execute(sa.insert(BATCHES), {"name": one.batch, "number": number, **row})
            else:
                connection.execute(sa.update(BATCHES).where(here).values(row))
    return changed


def _kept(place: Path, root: Path) -> str:
    """A folder as it is kept: what lies in the home moves with it."""
    return str(place.relative_to(root) if place.is_relative_to(root) else place)


def write_batch(home: Home, batch: str, kind: str, settings: Mapping[str, Any]) -> bool:
    """Register a batch whose runs the collector `kind` makes; False where nothing changed.

    Raises UsageError where the name belongs to a batch of another kind.
    """
    with registering(home):
        known = {one.batch: one.kind for one in manifests(home)}
        if known.get(batch, kind) != kind:
            there = f"batch {batch} exists already, of kind {known[batch]}"
            raise UsageError(f"{there}: choose a new name")
        made = Manifest(batch=batch, kind=kind, family=batch, settings=dict(settings))
        return bool(write_manifests(home, [made]))


def _take_over(home: Home) -> None:
    """Take the manifests that earlier versions kept as files into the table, all or none.

    The folder is then renamed to `batches-taken-over`; a batch that is in the table stays as it is.
    """
    from srft_assets.database.store import database_of

    with exclusive(database_of(home).locks / "take-over.lock"):
        if not home.batches.is_dir():
            return
        known = {name for (name,) in read_rows(home, "SELECT name FROM batches")}
        found: list[tuple[int, Manifest]] = []
        for path in sorted(home.batches.glob("*.json")):
            if PARTITION_NAME.fullmatch(path.stem) and path.stem not in known:
                content, advice = path.read_bytes(), "remove it and ingest again"
                one = _parsed(str(path), content, home.root, advice)
                found.append((orjson.loads(content)["registered"], one))
        write_manifests(home, [one for _, one in sorted(found, key=itemgetter(0))])
        move(home.batches, home.root / "batches-taken-over")
