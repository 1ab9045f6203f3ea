"""One row of a `masked_tokens` partition."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

IGNORED = -100
"""Label of a token that carries no loss (PyTorch's `ignore_index`)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open token range of one assistant turn, its end-of-turn token included."""

    step_index: int
    start: int
    end: int
    trained: bool
    label: str | None = None
    weight: float | None = None
    """Loss weight of its tokens where they are trained; None is 1."""


@dataclass(frozen=True, slots=True)
class MaskedRow:
    """One run, or a part of one, as a row of `MASKED_TOKENS`. `input_ids` is int32."""

    trajectory_id: str
    instance_id: str
    status: str
    input_ids: np.ndarray
    spans: tuple[Span, ...]
    part: int = 0

    @property
    def n_tokens(self) -> int:
        """All tokens."""
        return len(self.input_ids)

    @property
    def n_trained(self) -> int:
        """Tokens that carry loss."""
        return sum(span.end - span.start for span in self.spans if span.trained)

    @property
    def n_masked(self) -> int:
        """Tokens of assistant turns that carry none."""
        return sum(span.end - span.start for span in self.spans if not span.trained)

    def labels(self) -> np.ndarray:
        """`input_ids` inside the trained spans, -100 elsewhere."""
        labels = np.full_like(self.input_ids, IGNORED)
        for span in self.spans:
            if span.trained:
                labels[span.start : span.end] = self.input_ids[span.start : span.end]
        return labels

    def as_row(self) -> dict[str, Any]:
        """Cells of `MASKED_TOKENS`."""
        return {
            "trajectory_id": self.trajectory_id,
            "instance_id": self.instance_id,
            "status": self.status,
            "input_ids": self.input_ids,
            "spans": [asdict(span) for span in self.spans],
            "n_tokens": self.n_tokens,
            "n_trained": self.n_trained,
            "n_masked": self.n_masked,
            "part": self.part,
        }

    @staticmethod
    def from_row(row: Mapping[str, Any]) -> "MaskedRow":
        """The row of a `masked_tokens` partition, as `frame.iter_rows(named=True)` gives it."""
        return MaskedRow(
            row["trajectory_id"],
            row["instance_id"],
            row["status"],
            np.array(row["input_ids"], dtype=np.int32),
            tuple(Span(**span) for span in row["spans"]),
            row.get("part") or 0,
        )
