"""Which run of a batch a report speaks of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import polars as pl

from srft_assets.outcomes.model import Status
from srft_assets.outcomes.reports import ReportedOutcome
from srft_assets.outcomes.settling import settle, shared_folders
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
