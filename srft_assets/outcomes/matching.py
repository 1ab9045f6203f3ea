"""Which run of a batch a report speaks of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import PurePosixPath

import polars as pl

from srft_assets.outcomes.model import FAILED, Status
from srft_assets.outcomes.reports import ReportedOutcome
from srft_assets.refusal import Refusal

COLUMNS = (
    "trajectory_id",
    "instance_id",
    "model",
    "submission",
    "source",
    "source_row",
    "source_resolved",
)


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
    return [Run(**row) for row in frame.select(COLUMNS).iter_rows(named=True)]


def match(runs: Iterable[Run], reported: Iterable[ReportedOutcome]) -> Matched:
    """Give each run what was reported of it.

    An outcome is of the run whose patch was graded, whose model it states, or whose file lies
    nearest. One that fits no run of its instance, or more than one equally, is refused. Of
    outcomes of one run that contradict each other the nearest counts; the others are refused.
    """
    by_instance: dict[str, list[Run]] = defaultdict(list)
    by_id: dict[str, Run] = {}
    for run in runs:
        by_instance[run.instance_id].append(run)
        by_id[run.trajectory_id] = run
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
        _settle(by_id[trajectory_id], outcomes, matched)
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
    nearest = max(_nearness(outcome, run) for run in narrowed)
    narrowed = [run for run in narrowed if _nearness(outcome, run) == nearest]
    narrowed = _narrow(narrowed, [_folder(run) == _folder(outcome) for run in narrowed])
    if len(narrowed) == 1:
        return narrowed
    return (
        f"speaks of {outcome.instance_id}, of which the batch has {len(candidates)} runs, and does "
        "not say which: state model_name_or_path, or lay the report beside its run"
    )


def _nearness(outcome: ReportedOutcome, run: Run) -> int:
    """How many leading folders the paths of a report and of a run's file share."""
    folders = zip(_folder(outcome).parts, _folder(run).parts, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], folders))


def _folder(of: ReportedOutcome | Run) -> PurePosixPath:
    return PurePosixPath(of.source).parent


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


def _settle(run: Run, outcomes: Sequence[ReportedOutcome], matched: Matched) -> None:
    """Of several outcomes of a run keep the closest look; refuse contradictions.

    The nearest say what is true: a farther report may be of a run in another batch.
    """
    judged = [one for one in outcomes if one.status is not Status.INFRA_ERROR] or outcomes
    nearest = max(_nearness(one, run) for one in judged)
    near = [one for one in judged if _nearness(one, run) == nearest]
    first = max(near, key=lambda one: (one.detail, one.status is not Status.UNRESOLVED))
    best = max(
        (one for one in judged if not _contradicts(one, first)),
        key=lambda one: (one.detail, _nearness(one, run), one.status is not Status.UNRESOLVED),
    )
    against = [one for one in judged if _contradicts(one, best)]
    for one in against:
        reason = f"says {one.status}, but {best.source} says {best.status}"
        matched.refused.append(Refusal(one.source, reason, subject=run.trajectory_id))
    equal = [one for one in near if _contradicts(one, first) and one.detail == first.detail]
    if equal:
        reason = f"says {first.status}, but {equal[0].source} says {equal[0].status}"
        matched.refused.append(Refusal(first.source, reason, subject=run.trajectory_id))
    else:
        matched.outcomes[run.trajectory_id] = best


def _contradicts(one: ReportedOutcome, other: ReportedOutcome) -> bool:
    statuses = {one.status, other.status}
    return Status.RESOLVED in statuses and not statuses.isdisjoint(FAILED)


def _plain(model: str | None) -> str:
    """A model's name as folders spell it."""
    return (model or "").lower().replace("/", "__")


def _lines(patch: str) -> list[str]:
    """A patch without what copying changes: line ends, blanks at line ends, outer blank lines."""
    return [line.rstrip() for line in patch.strip().splitlines()]
