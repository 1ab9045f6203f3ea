"""Recorded runs in: files are parsed once, their rows put into batches, new batches written."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from posixpath import basename, dirname

from srft_assets.errors import Refusal, UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import (
    Item,
    Manifest,
    RefusedFile,
    ReportRef,
    RunRef,
    manifests,
    registering,
    write_manifests,
    written_ns,
)
from srft_assets.trajectories.discover import (
    EVIDENCE_NAMES,
    HUB,
    Discovery,
    Found,
    Role,
    discover,
    fetch,
    is_run,
    refused,
)
from srft_assets.trajectories.drafts import (
    Draft,
    default_name,
    moved_family,
    other_runs,
    share_reports,
)
from srft_assets.trajectories.formats import READERS
from srft_assets.trajectories.records import Record
from srft_assets.trajectories.sources import (
    SourceFile,
    hashed,
    holds_reports_alone,
    open_source,
    report_ref,
    unchanged,
)
from srft_assets.trajectories.stage import Runs, trajectories_stage, write_partition
from srft_assets.warehouse.partitions import check_partition_name

BATCH_SIZE = 200
AUTO = "auto"
"""As `format`: detect it, whatever was said before."""

Place = tuple[Draft, Item]
"""Rows of a file that lie in a batch already."""
Tell = Callable[[int, int], object]
"""Is told how many files are read, and of how many."""


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """What an ingest found and did.

    Attributes:
        batches: that hold the runs of the given paths, those registered earlier included; none
            where there are no runs.
        new, changed, unchanged: of these, by whether their runs differ from before.
        rows: records in these batches, before any is refused.
        roles: role → number of files; they add up to all files found.
        refusals: files refused at first sight; where there are no runs, rows as well.
        removed: files that the batches held, and that are gone.
    """

    batches: tuple[str, ...]
    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    rows: int
    roles: dict[str, int]
    refusals: tuple[Refusal, ...] = ()
    removed: tuple[str, ...] = ()


def ingest(
    home: Home,
    paths: Sequence[str | Path],
    batch: str | None = None,
    format: str | None = None,
    batch_size: int = BATCH_SIZE,
    *,
    partitions: bool = True,
    tell: Tell = lambda done, files: None,
) -> IngestPlan:
    """Register the batches that hold the runs below `paths`, and write the partitions of new ones.

    A row that has a place in a batch keeps it; new rows fill the last batch and then new ones.
    Where nothing changed, nothing is written; a batch that changed is stale, and made again by
    whoever makes partitions. `format` names a reader, or `auto` to detect again; None keeps what
    was said before. `partitions`: False registers only; `tell` is told how far it is. Raises
    UsageError for wrong arguments.
    """
    if format not in (None, AUTO, *READERS):
        raise UsageError(f"no format {format!r}; there are: {', '.join([AUTO, *sorted(READERS)])}")
    local = [fetch(str(path)) if str(path).startswith(HUB) else Path(path) for path in paths]
    family = check_partition_name(batch or default_name(paths, local))
    with registering(home):
        if batch is None:
            family = moved_family(home, family, local)
        return _Ingest(home, family, format, batch_size, partitions).run(local, tell)


class _Ingest:
    """One ingest into the batches of one family, under the platform's registration lock.

    Holds the rows of one batch at a time. A new batch is registered, and its partition written,
    as soon as it is full; reports, which may lie anywhere, are added to the manifests at the end.
    Batches that were there before are registered anew where they changed, and are then stale.
    """

    def __init__(
        self, home: Home, family: str, stated: str | None, batch_size: int, partitions: bool
    ) -> None:
        """Raises UsageError where a batch of another family has the name."""
        self.home, self.family, self.batch_size = home, family, batch_size
        self.stage = trajectories_stage() if partitions else None
        known = manifests(home)
        self.old = [one for one in known if one.family == family and one.kind == "files"]
        others = {one.batch: one.kind for one in known if one not in self.old}
        if family in others:
            whose = "" if others[family] == "files" else " and is not from files"
            raise UsageError(
                f"batch {family} exists already{whose}: give another name with --batch"
            )
        self.taken = set(others)
        before = self.old[0].format if self.old else None
        self.format = {None: before, AUTO: None}.get(stated, stated)
        self.again = before != self.format
        self.written_ns = written_ns(home)
        self.drafts = [Draft(one.batch, one) for one in self.old]
        self.places: dict[str, list[Place]] = defaultdict(list)
        self.told: dict[str, Draft] = {}
        self.evidence: dict[str, list[Found]] = defaultdict(list)
        self.removed: set[str] = set()
        self.refusals: list[Refusal] = []
        self.roles: Counter[str] = Counter()
        self.reports: list[ReportRef] = []
        self.predictions: list[ReportRef] = []
        self.elsewhere: str | None = None
        """Root of reports that are attached to the batches, and do not lie below theirs."""

    def run(self, paths: Sequence[Path], tell: Tell) -> IngestPlan:
        """Look at the files, place their rows, write manifests and partitions."""
        found = discover(paths, self.old[0].folder() if self.old else None)
        self.root = found.root
        if self.old and self.old[0].folder() != found.root and holds_reports_alone(found):
            self.root, self.elsewhere = self.old[0].folder(), str(found.root)
        else:
            self._check_root(found)
        self._keep_places(found)
        for one in found.refused:
            self._refuse(one)
        for file in found.files:
            known = file.ruling is not None and file.ruling.role is Role.EVIDENCE
            if known and basename(file.path) in EVIDENCE_NAMES:
                self.evidence[dirname(file.path)].append(file)
        for number, file in enumerate(found.files):
            tell(number, len(found.files))
            held = self.places.pop(file.path, [])
            if held and not self.again and self._keep(file, held):
                self.roles[Role.RUNS.value] += 1
            else:
                self._read(file, held)
        tell(len(found.files), len(found.files))
        return self._finish(found)

    def _check_root(self, found: Discovery) -> None:
        """A family has one root. It may move if its files moved with it; else UsageError."""
        old = self.old[0].folder() if self.old else found.root
        if old == found.root:
            return
        here = {file.path: file for file in found.files}
        for item in (item for one in self.old for item in one.items):
            file = here.get(item.path)
            moved = file is not None and not (old / item.path).exists()
            if not moved and (file is None or not unchanged(file, item, 0)):
                raise UsageError(
                    f"batch {self.family} holds runs of {old}: give another name with --batch"
                )

    def _keep_places(self, found: Discovery) -> None:
        """Rows of known files have a place; what was not asked for stays as it is."""
        here = {file.path for file in found.files}
        for draft, manifest in zip(self.drafts, self.old, strict=True):
            for one in manifest.refused:
                self.told[one.path] = draft
                if not self._covered(found, one.path):
                    draft.refused.append(one)
            for item in manifest.items:
                covered = self._covered(found, item.path)
                if covered and item.path not in here:
                    self.removed.add(item.path)
                    continue
                draft.rows += item.rows
                draft.bytes += item.bytes
                if covered:
                    self.places[item.path].append((draft, item))
                else:
                    draft.items.append(item)

    def _covered(self, found: Discovery, path: str) -> bool:
        """Whether a file of the batches lies within what was asked for."""
        return self.elsewhere is None and found.holds(found.root / path)

    def _keep(self, file: Found, held: Sequence[Place]) -> bool:
        """Keep the items of a file if neither its rows changed nor others were added."""
        last = max((item for _, item in held), key=lambda item: item.first_row)
        if last.layout == "lines" and last.end < file.size:
            return False
        if any(item.runs is None for _, item in held):  # of an earlier version: looked at again
            return False
        if not all(unchanged(file, item, self.written_ns[draft.name]) for draft, item in held):
            return False
        now = {"size": file.size, "mtime_ns": file.mtime_ns, "ctime_ns": file.ctime_ns}
        for draft, item in held:
            draft.items.append(item.model_copy(update=now))
        return True

    def _read(self, file: Found, held: Sequence[Place]) -> None:
        if file.ruling is not None:
            self._settle(SourceFile(file, file.ruling), held)
            return
        try:
            with file.at.open("rb") as opened:
                self._settle(open_source(file, opened, self.format), held)
        except OSError as error:
            self._settle(SourceFile(file, refused(f"file cannot be read: {error.strerror}")), held)

    def _settle(self, source: SourceFile, held: Sequence[Place]) -> None:
        """Do with a file what its role asks for."""
        role, path = source.ruling.role, source.found.path
        if role is not Role.RUNS and held:
            self.removed.add(path)
        if role is Role.REFUSED:
            reason, excerpt = source.ruling.reason, source.excerpt
            self._refuse(RefusedFile(path=path, reason=reason, excerpt=excerpt))
            return
        self.roles[role.value] += 1
        if role is Role.RUNS:
            self._place(source, held)
        elif role is Role.REPORT:
            self.reports.append(report_ref(source, self.evidence))
        elif role is Role.PREDICTIONS:
            self.predictions.append(ReportRef(**hashed(source.found).model_dump()))

    def _refuse(self, one: RefusedFile) -> None:
        """Told in the batch that told of it before, else in the one that is being filled."""
        self.roles[Role.REFUSED.value] += 1
        self.refusals.append(one.refusal())
        if self.elsewhere:  # no file of the batches; told, and not theirs to keep
            return
        draft = self.told.get(one.path) or (self.drafts or [self._new()])[-1]
        draft.refused.append(one)

    def _place(self, source: SourceFile, held: Sequence[Place]) -> None:
        """Put the rows of a file where they were, and further ones where there is room."""
        at = 0
        for record in source.records:
            draft = _holder(held, record.row or 0)
            if draft is not None:
                draft.add(source, record, at)
            else:
                draft = self._with_room(record)
                draft.rows += draft.add(source, record, at)
            at += record.size

    def _with_room(self, record: Record) -> Draft:
        """The last batch while it has room for the row, then a new one.

        A row that is no run takes no room: refused rows form no batches.
        """
        draft = self.drafts[-1] if self.drafts else self._new()
        may_be_run = record.value is not None and (bool(self.format) or is_run(record.value))
        if may_be_run and not draft.has_room(record.size, self.batch_size):
            draft = self._new()
        draft.bytes += record.size
        return draft

    def _new(self) -> Draft:
        """Begin a batch; the one before it, if it is new, is full."""
        if self.drafts:
            self._write(self.drafts[-1], last=False)
        self.drafts.append(Draft(runs=Runs(self.format)))
        return self.drafts[-1]

    def _write(self, draft: Draft, last: bool) -> None:
        """Register a new batch and write its partition. Nothing where it is an old one."""
        if draft.runs is None:
            return
        draft.name = self._name(last)
        manifest = self._manifest(draft)
        write_manifests(self.home, [manifest])
        if self.stage is not None:
            write_partition(self.stage, self.home, manifest, draft.runs.rows(manifest.batch))
        draft.runs = None

    def _name(self, last: bool) -> str:
        """Of the last draft: NAME where there is one batch, else NAME-000, NAME-001, …"""
        if last and len(self.drafts) == 1:
            return self.family
        taken = {one.name for one in self.drafts} | self.taken
        numbers = (f"{self.family}-{number:03}" for number in count(len(self.drafts) - 1))
        return next(name for name in numbers if name not in taken)

    def _manifest(
        self,
        draft: Draft,
        reports: Sequence[ReportRef] = (),
        predictions: Sequence[ReportRef] = (),
        others: Sequence[tuple[str, RunRef]] = (),
    ) -> Manifest:
        return Manifest(
            batch=draft.name,
            family=self.family,
            root=str(self.root),
            format=self.format,
            items=tuple(draft.all_items()),
            reports=tuple(reports),
            predictions=tuple(predictions),
            others=tuple(others) if reports or predictions else (),
            refused=tuple(sorted(draft.refused, key=lambda one: one.path)),
        )

    def _finish(self, found: Discovery) -> IngestPlan:
        """Write the last batch, and the manifests as they should be, reports included."""
        if not self.drafts:
            self._new()
        if not self.old and not any(draft.rows for draft in self.drafts):
            return self._nothing()
        self._write(self.drafts[-1], last=True)
        items = [draft.all_items() for draft in self.drafts]
        reports = share_reports(self._merged(found, "reports", self.reports), items)
        predictions = share_reports(self._merged(found, "predictions", self.predictions), items)
        shared = zip(self.drafts, reports, predictions, other_runs(items), strict=True)
        made = [self._manifest(*of_batch) for of_batch in shared]
        write_manifests(self.home, made)
        before = {one.batch: one.runs_config() for one in self.old}
        now = {one.batch: one.runs_config() for one in made}
        return IngestPlan(
            batches=tuple(sorted(now)),
            new=tuple(name for name in now if name not in before),
            changed=tuple(name for name in before if before[name] != now[name]),
            unchanged=tuple(name for name in before if before[name] == now[name]),
            rows=sum(one.rows for one in made),
            roles=dict(sorted(self.roles.items())),
            refusals=tuple(sorted(self.refusals, key=lambda one: one.source)),
            removed=tuple(sorted(self.removed)),
        )

    def _nothing(self) -> IngestPlan:
        """What is told of paths without any run: no batch is made of them."""
        _, of_rows = self.drafts[-1].runs.rows("") if self.drafts[-1].runs else ((), [])
        told = [*self.refusals, *of_rows]
        return IngestPlan(
            *((), (), (), (), 0, dict(sorted(self.roles.items()))),
            refusals=tuple(sorted(told, key=lambda one: one.source)),
        )

    def _merged(self, found: Discovery, part: str, fresh: Sequence[ReportRef]) -> list[ReportRef]:
        """What this ingest saw, and what earlier ones saw outside the paths of this one."""
        before = {
            Path(ref.root or one.folder()) / ref.path: ref
            for one in self.old
            for ref in getattr(one, part)
        }
        moved = {ref.blake3 for ref in fresh}
        kept = {
            at: ref
            for at, ref in before.items()
            if not found.holds(at) and not (ref.blake3 in moved and not at.exists())
        }
        alone = bool(self.old) and not self.roles[Role.RUNS.value]
        for ref in fresh:
            at = found.root / ref.path
            named = alone or (at in before and before[at].named)
            kept[at] = ref.model_copy(update={"root": self.elsewhere, "named": named})
        return sorted(kept.values(), key=lambda ref: (ref.path, ref.root or ""))


def _holder(held: Sequence[Place], row: int) -> Draft | None:
    """The batch in which a row of the file lies already."""
    for draft, item in held:
        if item.first_row <= row < item.first_row + item.rows:
            return draft
    return None
