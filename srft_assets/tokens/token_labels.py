"""A row of a `masked_tokens` partition, and which label each of its tokens has."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from srft_assets.errors import SrftError

IGNORED = -100
"""Label of a token that carries no loss (PyTorch's `ignore_index`)."""

_SPAN: dict[str, Any] = {
    "step_index": pl.Int32,
    "start": pl.Int32,
    "end": pl.Int32,
    "trained": pl.Boolean,
    "label": pl.String,
    "weight": pl.Float32,
}
_COLUMNS: dict[str, Any] = {
    "trajectory_id": pl.String,
    "instance_id": pl.String,
    "status": pl.String,
    "input_ids": pl.List(pl.Int32),
    "spans": pl.List(pl.Struct(_SPAN)),
    "n_tokens": pl.Int32,
    "n_trained": pl.Int32,
    "n_masked": pl.Int32,
    "part": pl.Int32,
}

MASKED_TOKENS = pl.Schema(_COLUMNS)
"""The columns of a partition: one row a run, or several where a run that is too long was split.

A span is an assistant turn, see `Span`. `n_masked` counts the tokens of assistant turns that carry
no loss; the context (system, user and tool messages) is in neither count. `part` numbers the rows
of a run from 0: each step has its span in one of them, and is context where another shows it again.
"""


class RunRefusedError(SrftError):
    """This run cannot be rendered or masked exactly; the rest of the batch goes on."""


class SpanError(SrftError):
    """A span lies outside of the tokens of its row."""


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

    @property
    def loss_weight(self) -> float:
        """Loss weight of each of its tokens: 0 where the turn is masked."""
        if not self.trained:
            return 0.0
        return 1.0 if self.weight is None else self.weight


def label_tokens(input_ids: np.ndarray, spans: Iterable[Span]) -> tuple[np.ndarray, np.ndarray]:
    """The label and the loss weight of every token of a row.

    This is the only place that decides them: training, the exports and the tests all ask here.

    Args:
        input_ids: token ids of the row, shape (tokens,).
        spans: the row's assistant turns.

    Returns:
        `labels` (int32): the token's own id where it carries loss, else `IGNORED`; and `weights`
        (float32): its loss weight, 0 where it carries none. Both of shape (tokens,). The first
        token of a row never carries loss: nothing before it predicts it, and in a pack of
        several rows it would be predicted from the end of another run.

    Raises SpanError where a span does not lie within the tokens.
    """
    labels = np.full(len(input_ids), IGNORED, dtype=np.int32)
    weights = np.zeros(len(input_ids), dtype=np.float32)
    for span in spans:
        if not 0 <= span.start <= span.end <= len(input_ids):
            raise SpanError(
                f"step {span.step_index}: span {span.start}..{span.end} is outside its "
                f"{len(input_ids)} tokens"
            )
        if span.trained:
            labels[span.start : span.end] = input_ids[span.start : span.end]
            weights[span.start : span.end] = span.loss_weight
    labels[:1], weights[:1] = IGNORED, 0
    return labels, weights


@dataclass(frozen=True, slots=True)
class MaskedRow:
    """One run, or a part of one, as a row of `MASKED_TOKENS`. `input_ids` is int32.

    `asked` has for each span the token at which its generation prompt starts, `thinking_dropped` is
    whether the template leaves out what the model thought, and `broken_calls` how many steps of the
    run carry no loss because they call a tool with broken arguments. They are known when the run is
    masked, and not kept.
    """

    trajectory_id: str
    instance_id: str
    status: str
    input_ids: np.ndarray
    spans: tuple[Span, ...]
    part: int = 0
    asked: tuple[int, ...] = ()
    thinking_dropped: bool = False
    broken_calls: int = 0

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
        """The label of each token (int32); see `label_tokens`. Raises SpanError."""
        return label_tokens(self.input_ids, self.spans)[0]

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
