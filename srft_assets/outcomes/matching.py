"""Which report belongs to which run of a batch, and the outcome that it gives the run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath

import polars as pl

from srft_assets.errors import Refusal
from srft_assets.outcomes.reports import parse_report
from srft_assets.outcomes.status import FAILED, NAMED_TESTS, ReportedOutcome, Status, TestOutcome
from srft_assets.trajectories.batches import FileRef, Manifest
from srft_assets.trajectories.sources import SourceChangedError, read_verified

SWEBENCH = "swebench"
JUDGED = FAILED | {Status.RESOLVED}


@dataclass(frozen=True, slots=True)
class Run:
    """What is needed of a row of `trajectories` to tell its outcome."""

    trajectory_id: str
    instance_id: str
    model: str | None
    submission: str | None
    source: str
    source_row: int | None
    source_resolved: bool | None

    @property
    def blank(self) -> bool:
        """Whether the source states a submission, and there is nothing in it."""
        return self.submission is not None and not self.submission.strip()


@dataclass(slots=True)
class Matched:
    """Outcomes by trajectory id, what was refused, and how many spoke of no run of the batch."""

    outcomes: dict[str, ReportedOutcome] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    strangers: int = 0


def runs_of(frame: pl.DataFrame) -> list[Run]:
    """The runs of a `trajectories` partition, in its order."""
    return [Run(**row) for row in frame.select(Run.__slots__).iter_rows(named=True)]


def reported_outcomes(manifest: Manifest, runs: list[Run]) -> Matched:
    """What the batch's reports and predictions say of its runs.

    Raises SourceChangedError where one is gone or is not the one that was ingested.
    """
    if manifest.kind != "files" or not (manifest.reports or manifest.predictions):
        return Matched()
    root = manifest.folder()
    outcomes: list[ReportedOutcome] = []
    refused: list[Refusal] = []
    lost: list[str] = []
    for ref in (*manifest.reports, *manifest.predictions):
        try:
            data = read_verified(root, ref)
            beside = _beside(root, getattr(ref, "evidence", ()))
        except SourceChangedError as error:
            lost.append(str(error))
            continue
        for item in parse_report(data, ref.path, beside):
            if isinstance(item, Refusal):
                refused.append(item)
            else:
                outcomes.append(item)
    if lost:
        raise SourceChangedError(
            f"batch {manifest.batch}: {len(lost)} reports are not as they were ingested "
            f"({lost[0]}); the partition stays as it is. Run: srft ingest {root} --batch "
            f"{manifest.family}"
        )
    matched = match(runs, outcomes)
    matched.refused[:0] = refused
    return matched


def _beside(root: Path, evidence: tuple[FileRef, ...]) -> dict[str, str]:
    """File name → text of what the grader left beside its report."""
    return {
        ref.path.rpartition("/")[2]: read_verified(root, ref).decode("utf-8", "replace")
        for ref in evidence
    }


def match(runs: Iterable[Run], reported: Iterable[ReportedOutcome]) -> Matched:
    """Give each run what was reported of it.

    An outcome is of the run whose patch was graded, whose model it states, or whose file lies
    nearest. One that fits no run of its instance, or more than one equally, is refused. Of
    outcomes of one run that contradict each other the nearest counts; the others are refused.
    """
    by_instance: dict[str, list[Run]] = defaultdict(list)
    sources: dict[str, str] = {}
    for run in runs:
        by_instance[run.instance_id].append(run)
        sources[run.trajectory_id] = run.source
    matched = Matched()
    told: dict[str, list[ReportedOutcome]] = defaultdict(list)
    for outcome in reported:
        candidates = by_instance.get(outcome.instance_id, [])
        found = _whose(outcome, candidates)
        if isinstance(found, str):
            refusal = Refusal(outcome.source, found, subject=outcome.instance_id)
            matched.refused.append(refusal)
            continue
        matched.strangers += not found
        for run in found:
            told[run.trajectory_id].append(outcome)
    for trajectory_id, outcomes in told.items():
        best, refused = settle(outcomes, sources[trajectory_id], trajectory_id)
        matched.refused += refused
        if best:
            matched.outcomes[trajectory_id] = best
    return matched


def _whose(outcome: ReportedOutcome, candidates: Sequence[Run]) -> Sequence[Run] | str:
    """The runs that the outcome is of, or why that cannot be said."""
    if not candidates:
        return []
    fitting = [run for run in candidates if _fits(outcome, run)]
    if not fitting:
        return f"graded another patch than the run of {outcome.instance_id} submitted"
    stated = [run for run in fitting if run.submission is not None]
    if stated and outcome.patch is not None:
        return stated
    if len(stated) == len(fitting) and len({run.submission for run in stated}) == 1:
        return stated
    same_model = [_plain(run.model) == _plain(outcome.model) for run in fitting]
    narrowed = _narrow(fitting, same_model if outcome.model else [])
    near = [shared_folders(outcome.source, run.source) for run in narrowed]
    narrowed = _narrow(narrowed, [shared == max(near) for shared in near])
    place = PurePosixPath(outcome.source).parent
    narrowed = _narrow(narrowed, [PurePosixPath(run.source).parent == place for run in narrowed])
    if len(narrowed) == 1:
        return narrowed
    return (
        f"speaks of {outcome.instance_id}, of which the batch has {len(candidates)} runs, and does "
        "not say which: state model_name_or_path, or lay the report beside its run"
    )


def _fits(outcome: ReportedOutcome, run: Run) -> bool:
    """Whether the outcome can be of this run, by what was submitted and what was graded."""
    if run.submission is None:
        return True
    if outcome.patch is not None:
        return _lines(outcome.patch) == _lines(run.submission)
    if outcome.status is Status.EMPTY_PATCH:
        return run.blank
    return not (outcome.status is Status.RESOLVED and run.blank)


def _narrow(runs: Sequence[Run], keep: Sequence[bool]) -> Sequence[Run]:
    """Those that are kept, or all where none is."""
    return [run for run, kept in zip(runs, keep, strict=False) if kept] or runs


def _plain(model: str | None) -> str:
    """A model's name as folders spell it."""
    return (model or "").lower().replace("/", "__")


def _lines(patch: str) -> list[str]:
    """A patch without what copying changes: line ends, blanks at line ends, outer blank lines."""
    return [line.rstrip() for line in patch.strip().splitlines()]


def settle(
    outcomes: Sequence[ReportedOutcome], source: str, subject: str
) -> tuple[ReportedOutcome | None, list[Refusal]]:
    """Keep the closest look of those that agree with the nearest; refuse those that do not.

    A report far from the run's file `source` may be of a run of the same task in another batch.
    None is kept where the nearest contradict each other with equal detail. A failure of the
    machine gives way to any grading.
    """

    def near(one: ReportedOutcome) -> int:
        return shared_folders(one.source, source)

    def detail(one: ReportedOutcome) -> tuple[int, int, bool]:
        return one.detail, near(one), one.status is not Status.UNRESOLVED

    judged = [one for one in outcomes if one.status is not Status.INFRA_ERROR] or outcomes
    closest = max(map(near, judged))
    nearest = [one for one in judged if near(one) == closest]
    word = max(nearest, key=detail)
    best = max((one for one in judged if not _contradicts(one, word)), key=detail)
    against = [one for one in judged if _contradicts(one, word)]
    refused = [_refusal(one, best, subject) for one in against]
    for one in against:
        if one in nearest and one.detail == word.detail:
            return None, [*refused, _refusal(word, one, subject)]
    return best, refused


def shared_folders(one: str, other: str) -> int:
    """How many leading folders two files have in common."""
    folders = zip(PurePosixPath(one).parent.parts, PurePosixPath(other).parent.parts, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], folders))


def _contradicts(one: ReportedOutcome, other: ReportedOutcome) -> bool:
    statuses = {one.status, other.status}
    return Status.RESOLVED in statuses and not statuses.isdisjoint(FAILED)


def _refusal(one: ReportedOutcome, other: ReportedOutcome, subject: str) -> Refusal:
    reason = f"says {one.status}, but {other.source} says {other.status}"
    return Refusal(one.source, reason, subject=subject)


def as_outcome(run: Run, reported: ReportedOutcome) -> TestOutcome:
    """The row of a run that was reported on."""
    reason = reported.reason
    stated, graded = run.source_resolved, reported.status is Status.RESOLVED
    if stated is not None and stated != graded and (stated or reported.status in JUDGED):
        says = "resolved" if stated else "not resolved"
        reason = f"{reason}; the run itself says {says}".removeprefix("; ")
    return swebench_row(run, reported, reported.grader_version, reason, reported.log)


def swebench_row(
    run: Run, reported: ReportedOutcome, version: str | None, reason: str, log: str | None
) -> TestOutcome:
    """The row of a run, with the counts of a report of SWE-bench's harness."""
    return TestOutcome(
        run.trajectory_id,
        run.instance_id,
        reported.status,
        f2p_passed=reported.f2p_passed,
        f2p_total=reported.f2p_total,
        p2p_passed=reported.p2p_passed,
        p2p_total=reported.p2p_total,
        grader=SWEBENCH,
        grader_version=version,
        reason=reason,
        log=log,
        failed_tests=reported.failed_tests[:NAMED_TESTS],
    )


def source_outcome(run: Run) -> TestOutcome:
    """What the run's own source states of it; `unknown` where it states nothing.

    A stated outcome counts more than an empty patch column: SWE-smith-trajectories holds
    resolved runs whose patch was not kept.
    """
    if run.source_resolved:
        status, grader = Status.RESOLVED, "source"
        reason = "the source holds no patch" if run.blank else ""
    elif run.blank:
        status, grader, reason = Status.EMPTY_PATCH, "source", ""
    elif run.source_resolved is None:
        status, grader, reason = Status.UNKNOWN, "none", "nobody graded this run"
    else:
        status, grader, reason = Status.UNRESOLVED, "source", ""
    return TestOutcome(run.trajectory_id, run.instance_id, status, grader=grader, reason=reason)
