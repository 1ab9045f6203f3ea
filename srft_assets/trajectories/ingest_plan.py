"""What an ingest says of itself."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from srft_assets.refusal import Refusal
from srft_assets.trajectories.roles import Role, Ruling
from srft_assets.trajectories.scanned import Scanned

ALREADY = "already in another batch"


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """What an ingest found and did.

    Attributes:
        batches: that hold the runs of the given paths, those registered earlier included.
        new, changed, unchanged: of these, by whether their runs differ from before.
        rows: records in these batches, before any is refused.
        roles: role → number of files; they add up to all files found.
        refusals: files refused at first sight.
        already: file → the other batch that holds its content.
        removed: files that the batches held, and that are gone.
    """

    batches: tuple[str, ...]
    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    rows: int
    roles: Mapping[str, int]
    refusals: tuple[Refusal, ...] = ()
    already: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


def role_counts(
    settled: Sequence[tuple[Scanned, Ruling]], already: Container[str], refused: int, trusted: int
) -> dict[str, int]:
    """Role → number of files.

    `already`: paths whose content another batch holds; `refused`: all refused files, those that
    could not be looked at included; `trusted`: files of runs that were not looked at.
    """
    counts = Counter(ALREADY if one.path in already else rule.role.value for one, rule in settled)
    counts[Role.REFUSED.value] = refused
    counts[Role.RUNS.value] += trusted
    return {role: count for role, count in sorted(counts.items()) if count}
