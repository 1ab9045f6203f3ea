"""What an ingest says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from srft_assets.refusal import Refusal


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
