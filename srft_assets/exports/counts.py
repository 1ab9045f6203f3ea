"""What an export holds, counted while it is written."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srft_assets.exports.source import Masked

UNLABELED = "no label"
FIGURES = ("runs", "rows", "steps", "steps_trained", "tokens", "trained", "masked", "context")


@dataclass(slots=True)
class Counts:
    """Counts of the runs that were exported.

    Attributes:
        by_status: outcome → `FIGURES`; the last four count tokens.
        by_label: label of a step → steps, tokens trained and masked.
        weights: loss weights of the trained steps → steps.
        refused: reason → runs.
        without_loss: runs that are left out because no step of theirs is trained.
        longest: tokens of the longest row.
    """

    by_status: dict[str, Counter[str]] = field(default_factory=dict)
    by_label: dict[str, Counter[str]] = field(default_factory=dict)
    weights: Counter[float] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    without_loss: int = 0
    longest: int = 0

    def add(self, masked: Masked, *, with_loss: bool) -> None:
        """Count a run that is in the export, or one that has nothing to train."""
        if not with_loss:
            self.without_loss += 1
            return
        status = self.by_status.setdefault(masked.rows[0].status, Counter())
        status["runs"] += 1
        for row in masked.rows:
            status["rows"] += 1
            status["tokens"] += row.n_tokens
            self.longest = max(self.longest, row.n_tokens)
            status["trained"] += row.n_trained
            status["masked"] += row.n_masked
            status["context"] += row.n_tokens - row.n_trained - row.n_masked
            for span in row.spans:
                label = self.by_label.setdefault(span.label or UNLABELED, Counter())
                label["steps"] += 1
                label["trained" if span.trained else "masked"] += span.end - span.start
                status["steps"] += 1
                status["steps_trained"] += span.trained
                if span.trained:
                    self.weights[span.loss_weight] += 1

    @property
    def total(self) -> Counter[str]:
        """`FIGURES` over all outcomes."""
        return sum(self.by_status.values(), Counter())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, in a fixed order."""
        return {
            "by_status": _table(self.by_status, FIGURES),
            "by_label": _table(self.by_label, ("steps", "trained", "masked")),
            "refused": dict(sorted(self.refused.items())),
            "without_loss": self.without_loss,
        }


def _table(counts: Mapping[str, Counter[str]], names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    return {key: {name: counts[key][name] for name in names} for key in sorted(counts)}
