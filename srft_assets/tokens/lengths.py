"""What becomes of a run that is longer than a model is trained with.

All of it works on rows that are masked and verified: a cut row is the head of one, a window is
its prompt and a stretch of it. No token is made anew.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.token_labels import MaskedRow, RunRefusedError, Span

COUNTED = {
    "drop": ("runs_too_long",),
    "cut": ("runs_cut", "steps_cut_off"),
    "windows": ("runs_split", "steps_too_long"),
}
"""What is counted for the asset's page, by `ArmSpec.too_long`."""


class Lengths:
    """Fits rows to an arm's `training.max_length`, and counts what that changed.

    Attributes:
        figures: counts for the asset's page; none where long runs are left as they are.
        lost: trajectory id and reason, where single steps of a run fit no window.
    """

    def __init__(self, arm: ArmSpec) -> None:
        self.arm = arm
        self.figures = dict.fromkeys(COUNTED.get(arm.too_long, ()), 0)
        self.lost: list[tuple[str, str]] = []

    def fit(self, row: MaskedRow) -> list[MaskedRow]:
        """The rows that the run becomes. Raises RunRefusedError where no step fits."""
        limit = self.arm.training.max_length
        if self.arm.too_long == "refuse" or row.n_tokens <= limit:
            return [row]
        rows = []
        if self.arm.too_long == "cut":
            rows = [cut(row, limit)]
        elif self.arm.too_long == "windows":
            rows = windows(row, limit, self.arm.overlap)
        shown = {span.step_index for part in rows for span in part.spans}
        left = [span for span in row.spans if span.step_index not in shown]
        for name, more in zip(self.figures, (1, len(left)), strict=False):
            self.figures[name] += more
        if left and self.arm.too_long == "windows":
            self.lost.append((row.trajectory_id, _too_long(row, left, limit)))
        return rows


def cut(row: MaskedRow, limit: int) -> MaskedRow:
    """The row up to the end of its last step within `limit` tokens.

    Raises RunRefusedError where not even the first step fits.
    """
    kept = tuple(span for span in row.spans if span.end <= limit)
    if not kept:
        raise RunRefusedError(_too_long(row, row.spans[:1], limit))
    return replace(row, input_ids=row.input_ids[: kept[-1].end], spans=kept)


def windows(row: MaskedRow, limit: int, overlap: int) -> list[MaskedRow]:
    """Rows of at most `limit` tokens in which each step has its span once.

    Every window opens with the prompt, all up to the first turn. Then come up to `overlap` steps
    as context, without spans, and as many steps with theirs as fit. Between prompt and context
    whole turns and their answers are left out, so that a window is a chat like any other, on any
    template. A step that does not fit beside the prompt is in no window. Raises RunRefusedError
    where no step fits.
    """
    rows: list[MaskedRow] = []
    first = 0
    while first < len(row.spans):
        start, end = _window(row, first, limit, overlap)
        if end > first:
            rows.append(_part(row, start, first, end, len(rows)))
        first = max(end, first + 1)
    if not rows:
        raise RunRefusedError(_too_long(row, row.spans, limit))
    return rows


def _window(row: MaskedRow, first: int, limit: int, overlap: int) -> tuple[int, int]:
    """Places of the window's first step and of the one after its last; it trains from `first`.

    Where not even that one fits, the window ends before it.
    """
    spans = row.spans
    prompt = spans[0].start

    def size(start: int, end: int) -> int:
        return prompt + spans[end - 1].end - _begin(row, start)

    start = max(0, first - overlap)
    while start < first and size(start, first + 1) > limit:
        start += 1
    end = first
    while end < len(spans) and size(start, end + 1) <= limit:
        end += 1
    return start, end


def _part(row: MaskedRow, start: int, first: int, end: int, number: int) -> MaskedRow:
    prompt, begin = row.spans[0].start, _begin(row, start)
    stretch = row.input_ids[begin : row.spans[end - 1].end]
    moved = tuple(
        replace(span, start=span.start - begin + prompt, end=span.end - begin + prompt)
        for span in row.spans[first:end]
    )
    ids = np.concatenate([row.input_ids[:prompt], stretch])
    return replace(row, input_ids=ids, spans=moved, part=number)


def _begin(row: MaskedRow, step: int) -> int:
    """Where a window that opens with this step goes on behind the prompt.

    The prompt ends with what opens the first turn. Where the template opens this one by more (an
    empty think block), the rest comes along.
    """
    start = row.spans[step].start
    first, own = (
        row.input_ids[row.asked[place] : row.spans[place].start].tolist() for place in (0, step)
    )
    return start - (len(own) - len(first) if own[: len(first)] == first else 0)


def _too_long(row: MaskedRow, steps: Sequence[Span], limit: int) -> str:
    """Why these steps fit nowhere."""
    if not steps:
        return f"{row.n_tokens} tokens without a step, but training.max_length is {limit}"
    tokens = row.spans[0].start + max(span.end - span.start for span in steps)
    numbers = ", ".join(str(span.step_index) for span in steps[:5])
    more = f" and {len(steps) - 5} more" if len(steps) > 5 else ""
    which = f"step {numbers}" if len(steps) == 1 else f"steps {numbers}{more}"
    return (
        f"{which} left out: up to {tokens} tokens with the prompt, but training.max_length is "
        f"{limit}: raise it"
    )
