"""Which run each outcome of a report belongs to.

A report belongs to the run whose patch was graded, byte for byte but for ends of lines; else to the
run below its folder whose model it does not contradict, if there is one only; else, where the user
named the batch for it, to the batch's one run of the instance. It belongs to none otherwise.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import PurePosixPath

from srft_assets.errors import Refusal
from srft_assets.outcomes.status import FAILED, Detail, ReportedOutcome, Run, Status
from srft_assets.trajectories.batches import ReportRef
from srft_assets.trajectories.discover import above
from srft_assets.trajectories.stage import patch_key

BY_INSTANCE = "joined by the instance alone, as the batch was named for the report"
GRADING_WORDS = frozenset(
    {"log", "logs", "report", "reports", "result", "results", "grading", "harness"}
    | {"eval", "evals", "evaluation", "evaluations"}
)
"""In the name of a folder of reports beside runs; one of another name may be of other runs."""


@dataclass(slots=True)
class Matched:
    """Outcomes by trajectory id, what was refused, and how many spoke of no run of the batch.

    `without_patch`: runs of which only the predictions beside them say that there is no patch.
    """

    outcomes: dict[str, ReportedOutcome] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    strangers: int = 0
    without_patch: set[str] = field(default_factory=set)


def match(
    runs: Sequence[Run],
    reported: Iterable[ReportedOutcome],
    refs: Mapping[str, ReportRef] = {},
    others: Sequence[Run] = (),
) -> Matched:
    """Give each run what was reported of it; `refs` by the reports' sources.

    `others`: further runs, e.g. of other batches, of whom a report may speak as well.

    An outcome that fits no run of its instance, or more than one equally, is refused. Of outcomes
    of one run that contradict each other the nearest counts; the others are refused.
    """
    sources = {run.trajectory_id: run.source for run in runs}
    here = {run.instance_id for run in runs}
    by_instance: dict[str, list[Run]] = defaultdict(list)
    for run in (*runs, *others):
        if run.instance_id in here:
            by_instance[run.instance_id].append(run)
    matched = Matched()
    told: dict[str, list[ReportedOutcome]] = defaultdict(list)
    for outcome in reported:
        candidates = by_instance.get(outcome.instance_id, [])
        ref = refs.get(outcome.source) or ReportRef(path=outcome.source, blake3="")
        if ref.scope is None:
            ref = ref.model_copy(update={"scope": _scope(ref.path, sources.values())})
        found: Sequence[Run] | str
        if outcome.beside and ref.root is None:
            found = neighbours(ref, [*runs, *others])
        else:
            found = _whose(outcome, candidates, ref)
        if isinstance(found, str):
            matched.refused.append(Refusal(outcome.source, found, subject=outcome.instance_id))
            continue
        ours = [run for run in found if run.trajectory_id in sources]
        matched.strangers += not ours
        for run in ours:
            marked = run.submission is None or outcome.patch is None
            reason = f"{outcome.reason}; {BY_INSTANCE}".removeprefix("; ")
            named = replace(outcome, reason=reason) if ref.named and marked else outcome
            told[run.trajectory_id].append(named)
    for trajectory_id, outcomes in told.items():
        best, refused = settle(outcomes, sources[trajectory_id], trajectory_id)
        matched.refused += refused
        if best:
            matched.outcomes[trajectory_id] = best
    return matched


def neighbours(ref: ReportRef, runs: Iterable[Run]) -> list[Run]:
    """The runs that a trial's result is of: all in its folder, subagents and split ones too."""
    folder = above(ref.path)[0]
    return [run for run in runs if folder in above(run.source)]


def _scope(path: str, sources: Iterable[str]) -> str:
    """The nearest folder above a report that holds runs of the batch."""
    held = {folder for source in sources for folder in above(source)}
    return next((folder for folder in above(path) if folder in held), "")


def _whose(
    outcome: ReportedOutcome, candidates: Sequence[Run], ref: ReportRef
) -> Sequence[Run] | str:
    """The runs that the outcome is of, or why that cannot be said."""
    if not candidates:
        return []
    instance = outcome.instance_id
    fitting = [run for run in candidates if _fits(outcome, run)]
    if not fitting:
        return f"graded another patch than the run of {instance} submitted"
    stated = [run for run in fitting if run.submission is not None]
    if stated and outcome.patch is not None:
        return stated
    agreed = [run for run in fitting if _agree(outcome, run)]
    near = [
        run
        for run in fitting
        if (ref.named or _is_beside(ref, run, run in agreed))
        and not differ(outcome.model or model_of_path(ref.path), run.model)
    ]
    if not near:
        return f"lies in another folder than the run of {instance}, or is of another model; {FIX}"
    named = [run for run in near if run in agreed]
    known: Sequence[Run] = [
        run for run in named or near if not _has_rival(ref, run, bool(named), candidates)
    ]
    known = _narrow(known, [run.model == outcome.model for run in known])
    known = _narrow(known, [above(run.source)[0] == above(ref.path)[0] for run in known])
    if _submitted(known) == 1:
        return known
    return (
        f"speaks of {instance}, of which there are several runs, and does not say which: state "
        "model_name_or_path, or lay the report beside its run"
    )


FIX = "lay the report beside its run, or name the batch: srft ingest REPORT --batch BATCH"


def _fits(outcome: ReportedOutcome, run: Run) -> bool:
    """Whether the outcome can be of this run, by what was submitted and what was graded."""
    if run.submission is None:
        return True
    if outcome.patch is not None:
        return patch_key(outcome.patch) == run.patch
    if run.blank:
        return outcome.status is not Status.RESOLVED
    return outcome.status is not Status.EMPTY_PATCH


def is_below(run: Run, folder: str) -> bool:
    """Whether the run's file lies in the folder, at any depth."""
    return folder in above(run.source)


def _is_beside(ref: ReportRef, run: Run, agreed: bool) -> bool:
    """Whether the report lies above the run, or in a folder of reports beside it.

    A folder of another name may be another experiment's: there the models must agree.
    """
    scope = ref.scope or ""
    if not is_below(run, scope):
        return False
    inner = above(ref.path)[0].removeprefix(scope).strip("/").split("/")[0]
    words = set(re.split(r"[^a-z]+", inner.lower()))
    return inner in ("", run.instance_id) or bool(words & GRADING_WORDS) or agreed


def _has_rival(ref: ReportRef, run: Run, agreed: bool, runs: Sequence[Run]) -> bool:
    """Whether `runs` of the instance hold another patch below the report's folder.

    Where the report's model is the run's (`agreed`), only another run that states it is a rival.
    """
    if above(run.source)[0] == above(ref.path)[0] and not ref.root:
        return False
    below = [one for one in runs if is_below(one, ref.scope or "")]
    rivals = [one for one in below if not agreed or same_model(one.model or "", run.model or "")]
    return _submitted(rivals) > 1


def _submitted(runs: Iterable[Run]) -> int:
    """How many patches they submitted; an unknown one is another, but for runs of one record."""
    return len({run.record if run.patch is None else run.patch for run in runs})


def _agree(outcome: ReportedOutcome, run: Run) -> bool:
    """Whether report and run state the same model."""
    stated = outcome.model or model_of_path(outcome.source)
    if stated is None and outcome.detail is Detail.LISTED:
        stated = PurePosixPath(outcome.source).stem
    return bool(stated and run.model and same_model(stated, run.model))


def differ(one: str | None, other: str | None) -> bool:
    """Whether both state a model, and not the same."""
    return bool(one and other and not same_model(one, other))


def same_model(one: str, other: str) -> bool:
    """Whether two names may be of one model: with or without provider, date, or settings.

    SWE-agent's names are `config__model__t-0.00__…`: two of these must be equal.
    """
    first, second = _segments(one), _segments(other)
    if first == second:
        return True
    if len(first) > 2 and len(second) > 2:
        return False
    return any(f"-{a}-" in f"-{b}-" or f"-{b}-" in f"-{a}-" for a in first for b in second)


def _segments(model: str) -> list[str]:
    """Parts of a model's name, without the provider before the first `/`."""
    parts = re.split(r"/|__", model.lower())
    named = [re.sub(r"[^a-z0-9]+", "-", part).strip("-") for part in parts]
    return named[-1:] if len(named) == 2 else named


def model_of_path(path: str) -> str | None:
    """MODEL of `run_evaluation/RUN/MODEL/INSTANCE/report.json`, SWE-bench's own folders."""
    _, found, inner = path.rpartition("run_evaluation/")
    parts = inner.split("/")
    return parts[1] if found and len(parts) == 4 else None


def _narrow(runs: Sequence[Run], keep: Sequence[bool]) -> Sequence[Run]:
    """Those that are kept, or all where none is."""
    return [run for run, kept in zip(runs, keep, strict=True) if kept] or runs


def settle(
    outcomes: Sequence[ReportedOutcome], source: str, subject: str
) -> tuple[ReportedOutcome | None, list[Refusal]]:
    """Keep the closest look of those that agree with the nearest; refuse those that do not.

    A report far from the run's file `source` may be of a run of the same task in another batch.
    None is kept where the nearest contradict each other with equal detail. A failure of the
    machine gives way to any grading.
    """
    ours = PurePosixPath(source).parts[:-1]

    def near(one: ReportedOutcome) -> int:  # leading folders that it shares with the run
        pairs = zip(PurePosixPath(one.source).parts[:-1], ours, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

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


def _contradicts(one: ReportedOutcome, other: ReportedOutcome) -> bool:
    statuses = {one.status, other.status}
    return Status.RESOLVED in statuses and not statuses.isdisjoint(FAILED)


def _refusal(one: ReportedOutcome, other: ReportedOutcome, subject: str) -> Refusal:
    reason = f"says {one.status}, but {other.source} says {other.status}"
    return Refusal(one.source, reason, subject=subject)
