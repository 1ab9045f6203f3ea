"""What becomes of a run that is longer than a model is trained with.

All of it works on rows that are masked and verified: a cut row is the head of one, a window is
its prompt and a stretch of it. No token is made anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.row import MaskedRow, Span


@dataclass(slots=True)
class Lengths:
    """Fits rows to an arm's `training.max_length`, and counts what that changed."""

    arm: ArmSpec
    dropped: int = 0
    cut: int = 0
    steps_cut: int = 0
    split: int = 0

    def fit(self, row: MaskedRow) -> list[MaskedRow]:
        """The rows that the run becomes. Raises RunRefusedError where no step fits."""
        limit = self.arm.training.max_length
        if self.arm.too_long == "refuse" or row.n_tokens <= limit:
            return [row]
        if self.arm.too_long == "drop":
            self.dropped += 1
            return []
        if self.arm.too_long == "cut":
            short = cut(row, limit)
            self.cut += 1
            self.steps_cut += len(row.spans) - len(short.spans)
            return [short]
        rows = windows(row, limit, self.arm.overlap)
        self.split += 1
        return rows

    def figures(self) -> dict[str, int]:
        """Counts for the asset's page; none where long runs are left as they are."""
        found = {
            "drop": {"runs_too_long": self.dropped},
            "cut": {"runs_cut": self.cut, "steps_cut_off": self.steps_cut},
            "windows": {"runs_split": self.split},
        }
        return found.get(self.arm.too_long, {})


def cut(row: MaskedRow, limit: int) -> MaskedRow:
    """The row up to the end of its last step within `limit` tokens.

    Raises RunRefusedError where not even the first step fits.
    """
    kept = tuple(span for span in row.spans if span.end <= limit)
    if not kept:
        raise RunRefusedError(
            _too_long(row.spans[:1], row.spans[0].end if row.spans else row.n_tokens, limit)
        )
    return replace(row, input_ids=row.input_ids[: kept[-1].end], spans=kept)


def windows(row: MaskedRow, limit: int, overlap: int) -> list[MaskedRow]:
    """Rows of at most `limit` tokens in which each step has its span exactly once.

    Every window opens with the prompt, all up to the first turn. Then come up to `overlap` steps
    as context, without spans, and as many steps with theirs as fit. Between prompt and context
    whole turns and their answers are left out, so that a window is a chat like any other, on any
    template. Raises RunRefusedError where the prompt and one step do not fit.
    """
    rows: list[MaskedRow] = []
    first = 0
    while first < len(row.spans):
        start, end = _window(row.spans, first, limit, overlap)
        rows.append(_part(row, start, first, end, len(rows)))
        first = end
    return rows


def _window(spans: Sequence[Span], first: int, limit: int, overlap: int) -> tuple[int, int]:
    """Places of the window's first step and of the one after its last; it trains from `first`."""
    prompt = spans[0].start

    def size(start: int, end: int) -> int:
        return prompt + spans[end - 1].end - spans[start].start

    start = max(0, first - overlap)
    while start < first and size(start, first + 1) > limit:
        start += 1
    if size(start, first + 1) > limit:
        raise RunRefusedError(_too_long(spans[first : first + 1], size(first, first + 1), limit))
    end = first + 1
    while end < len(spans) and size(start, end + 1) <= limit:
        end += 1
    return start, end


def _part(row: MaskedRow, start: int, first: int, end: int, number: int) -> MaskedRow:
    prompt, begin = row.spans[0].start, row.spans[start].start
    stretch = row.input_ids[begin : row.spans[end - 1].end]
    moved = tuple(
        replace(span, start=span.start - begin + prompt, end=span.end - begin + prompt)
        for span in row.spans[first:end]
    )
    ids = np.concatenate([row.input_ids[:prompt], stretch])
    return replace(row, input_ids=ids, spans=moved, part=number)


def _too_long(steps: Sequence[Span], tokens: int, limit: int) -> str:
    what = f"the prompt and step {steps[0].step_index}" if steps else "the run, which has no step,"
    return f"{what} take {tokens} tokens, but training.max_length is {limit}: raise it"
