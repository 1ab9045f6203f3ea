"""Batches in the making: rows are put into them, and reports shared out among them."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import basename

from blake3 import blake3

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import (
    WHOLE,
    Item,
    Manifest,
    RefusedFile,
    ReportRef,
    RunRef,
    manifests,
)
from srft_assets.trajectories.discover import HUB, above, discover
from srft_assets.trajectories.records import Record
from srft_assets.trajectories.sources import SourceFile, count_line, unchanged
from srft_assets.trajectories.stage import Runs, runs_in

BATCH_BYTES = 256 << 20
"""A batch is closed when its rows would take more, so that one fits into memory."""
SUFFIXES = re.compile(r"(\.traj)?\.(json|jsonl|ndjson|traj|parquet|arrow)$", re.IGNORECASE)
FILE_SUFFIXES = re.compile(r"\.(traj|report|json|jsonl|ndjson)\b")


class Cut:
    """Consecutive rows of one file in a batch; they begin at byte `start`, with row `first`."""

    def __init__(self, source: SourceFile, start: int, first: int) -> None:
        self.source, self.start, self.first = source, start, first
        self.end, self.rows, self.bytes = start, 0, 0
        self.content = blake3()
        self.runs: list[RunRef] = []

    def add(self, record: Record) -> None:
        """Put the next row at the end."""
        if self.source.layout == "lines":
            count_line(self.content, self.source.found.at, self.end, record)
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
            runs=tuple(self.runs),
        )


@dataclass(slots=True)
class Draft:
    """A batch in the making.

    Attributes:
        name: of the batch; of a new one empty until it is known.
        old: its manifest so far, None for a new one.
        items: rows that lie in it.
        cut: the rows that were put in last, until others follow.
        rows: that it holds and that are not refused, as far as they were read; `bytes` of all.
        refused: files that were refused while it was filled.
        runs: of a new batch all its rows; those of an old one are read again where it changed.
    """

    name: str = ""
    old: Manifest | None = None
    items: list[Item] = field(default_factory=list)
    cut: Cut | None = None
    rows: int = 0
    bytes: int = 0
    refused: list[RefusedFile] = field(default_factory=list)
    runs: Runs | None = None

    def has_room(self, size: int, batch_size: int) -> bool:
        """Whether a row of `size` bytes fits; the first always does, however large."""
        fits = self.rows < batch_size and self.bytes + size <= BATCH_BYTES
        return fits or not self.rows

    def add(self, source: SourceFile, record: Record, at: int) -> int:
        """Put in a row that begins at byte `at` of its file; how many runs it holds, as far as
        that is known: of an old batch it counts as one."""
        row, cut = record.row or 0, self.cut
        follows = record.row is None or (cut is not None and cut.first + cut.rows == row)
        if cut is None or cut.source is not source or not follows:
            self._close()
            self.cut = cut = Cut(source, at, row)
        cut.add(record)
        path = source.found.path
        if self.runs is None:
            cut.runs += runs_in(path, record, self.old.format if self.old else None)
            return 1
        taken = self.runs.add(path, record)
        cut.runs += taken
        return len(taken)

    def all_items(self) -> list[Item]:
        """All its rows, by path."""
        self._close()
        return sorted(self.items, key=lambda item: (item.path, item.first_row))

    def _close(self) -> None:
        if self.cut is not None:
            self.items.append(self.cut.item())
            self.cut = None


def share_reports(
    reports: Sequence[ReportRef], batches: Sequence[Sequence[Item]]
) -> list[list[ReportRef]]:
    """Which batch gets which reports, in the order of `batches`, whose items are given.

    A report of one instance goes where a run of that name lies, else where rows lie whose
    instances nobody has read yet, else into the first batch. A report of many goes everywhere.
    Each says in which folder it may speak of runs, of all batches.
    """
    names = [_names(items) for items in batches]
    many = [n for n, items in enumerate(batches) if any(_unread(item) for item in items)]
    holding = {folder for items in batches for item in items for folder in above(item.path)}
    shared: list[list[ReportRef]] = [[] for _ in batches]
    for report in sorted(reports, key=lambda report: report.path):
        places = list(range(len(batches)))
        if report.instance_ids:
            named = [index for index in places if not names[index].isdisjoint(report.instance_ids)]
            places = named or many or [0]
        folders = [""] if report.root or report.named else above(report.path)
        scope = next((folder for folder in folders if folder in holding), "")
        for index in places:
            shared[index].append(report.model_copy(update={"scope": scope}))
    return shared


def other_runs(batches: Sequence[Sequence[Item]]) -> list[tuple[tuple[str, RunRef], ...]]:
    """For each batch the runs of the others that are of an instance which it holds too.

    With them an outcome does not depend on how runs are spread over batches.
    """
    held: dict[str, list[tuple[int, str, RunRef]]] = defaultdict(list)
    for number, items in enumerate(batches):
        for item in items:
            for run in item.runs or ():
                held[run.instance_id].append((number, item.path, run))
    others: list[list[tuple[str, RunRef]]] = [[] for _ in batches]
    for runs in held.values():
        for number in {number for number, _, _ in runs}:
            others[number] += [(path, run) for where, path, run in runs if where != number]
    return [tuple(one) for one in others]


def bare(path: str) -> str:
    """The name of a file without the suffixes of run files."""
    return FILE_SUFFIXES.sub("", basename(path))


def _names(items: Sequence[Item]) -> set[str]:
    """What paths say of the instances of runs: names of folders, and of the file bare."""
    found: set[str] = set()
    for item in items:
        found.update(run.instance_id for run in item.runs or ())
        if item.layout in WHOLE:
            found.update(item.path.split("/")[:-1], [bare(item.path)])
    return found


def _unread(item: Item) -> bool:
    """Whether nothing tells the instances of its rows."""
    return item.layout not in WHOLE and item.runs is None


def default_name(paths: Sequence[str | Path], local: Sequence[Path]) -> str:
    """The name of the first path, without its suffix, in characters fit for a partition."""
    if not paths:
        raise UsageError("name at least one file or folder to ingest")
    if str(paths[0]).startswith(HUB):
        name = "-".join(str(paths[0]).removeprefix("hf://datasets/").strip("/").split("/"))
    else:
        first = local[0].expanduser().absolute()
        name = first.resolve().name if first.is_dir() else SUFFIXES.sub("", first.name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100] or "batch"


def moved_family(home: Home, name: str, paths: Sequence[Path]) -> str:
    """The family whose folder is gone and whose files, byte by byte, lie at `paths` now.

    Else `name`, and so where there are batches of that name.
    """
    families: dict[str, list[Manifest]] = defaultdict(list)
    for one in manifests(home):
        families[one.family].append(one)
    if name in families:
        return name
    gone = [
        (family, of)
        for family, of in families.items()
        if of[0].root is not None and not of[0].folder().exists()
    ]
    if not gone:
        return name
    here = {file.path: file for file in discover(paths).files}
    for family, of in gone:
        items = [item for one in of for item in one.items]
        if items and all(i.path in here and unchanged(here[i.path], i, 0) for i in items):
            return family
    return name
