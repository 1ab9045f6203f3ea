"""What counts where several reports speak of one run."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePosixPath

from srft_assets.outcomes.model import FAILED, Status
from srft_assets.outcomes.reports import ReportedOutcome
from srft_assets.refusal import Refusal


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
