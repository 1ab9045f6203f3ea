"""Long texts are cut in the middle; what was cut is recorded."""

from dataclasses import dataclass

from srft_assets.critic.foreign import readable
from srft_assets.critic.prompt.count import Count, estimate

REACH = 16
"""Characters a token that are looked at: what lies further inside a longer text is never read."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One text that was shown in part.

    Attributes:
        step_index: the step; None for the task and for what comes from grading.
        field: `thought`, `action`, `observation`, `task`, `failed_tests` or `gold_patch`.
        tokens_before: of the text; extrapolated where most of it was never read.
        tokens_after: of what is shown, without the marker.
    """

    step_index: int | None
    field: str
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A foreign text as the prompt shows it: `tokens` are those of `text`."""

    text: str
    tokens: int
    cut: Cut | None = None


def show(text: str, budget: int, count: Count, field: str, step_index: int | None = None) -> Shown:
    """The text made readable, at most `budget` tokens of it.

    A longer text keeps its head and its tail, half the budget each, around a line that says how
    many tokens are missing. The work is bounded by the budget, not by the text.
    """
    reach = budget * REACH
    if len(text) > 2 * reach:
        head, tail = readable(text[:reach]), readable(text[-reach:])
        sample = count(head) + count(tail)
        before = max(sample * len(text) // (2 * reach), budget + 1)
    else:
        whole = readable(text)
        before = sample = count(whole)
        if before <= budget:
            return Shown(whole, before)
        half = len(whole) // 2
        head, tail = whole[:half], whole[half:]
    head, tail, after = _shrink(head, tail, sample, budget, count)
    marker = f"[… {before - after} tokens cut …]"
    cut = Cut(step_index, field, before, after)
    return Shown(f"{head}\n{marker}\n{tail}", after + estimate(marker), cut)


def _shrink(head: str, tail: str, sample: int, budget: int, count: Count) -> tuple[str, str, int]:
    """Equal numbers of characters of both that are within the budget, and their tokens."""
    room = (len(head) + len(tail)) * budget // (2 * max(sample, 1))
    while True:
        start, end = head[:room], tail[max(len(tail) - room, 0) :]
        tokens = count(start) + count(end)
        if tokens <= budget or not room:
            return start, end, tokens
        room = min(room - 1, room * budget // tokens)
