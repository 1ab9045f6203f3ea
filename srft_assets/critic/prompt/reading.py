"""Which steps one call shows and which of them it asks about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from srft_assets.errors import SrftError


class TooLongError(SrftError):
    """A run that the critic's context cannot hold. Its steps stay unlabeled.

    Attributes:
        reason: what is too long, in tokens.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Part:
    """Step indexes of one call: those it shows, and those of them it must label."""

    shown: range
    labelled: range


@dataclass(frozen=True, slots=True)
class Room:
    """What a call may hold, in tokens.

    Attributes:
        tokens: for the steps, after everything else of the prompt and the answer's start.
        answer: what the answer takes for each step it labels.
    """

    tokens: int
    answer: int


def whole(steps: Sequence[int], room: Room) -> Iterator[Part]:
    """One call for the whole run. `steps` are the tokens of each."""
    need = sum(steps) + room.answer * len(steps)
    if need > room.tokens:
        raise TooLongError(
            f"{len(steps)} steps need {need} tokens, the context has room for {room.tokens}"
        )
    yield Part(range(len(steps)), range(len(steps)))


def windows(steps: Sequence[int], room: Room, overlap: int) -> Iterator[Part]:
    """As few calls as the context allows, each with up to `overlap` steps of context before.

    Context gives way to a step that has no room beside it.
    """
    start = 0
    while start < len(steps):
        first = max(start - overlap, 0)
        need = sum(steps[first : start + 1]) + room.answer
        while need > room.tokens and first < start:
            need -= steps[first]
            first += 1
        if need > room.tokens:
            raise _alone(start, need, room)
        end = start + 1
        while end < len(steps) and (more := need + steps[end] + room.answer) <= room.tokens:
            need, end = more, end + 1
        yield Part(range(first, end), range(start, end))
        start = end


def each(steps: Sequence[int], room: Room) -> Iterator[Part]:
    """One call a step, which shows the run up to it.

    Where that is too long, the oldest steps go until the context is half full: seldom and many at
    once, so that the calls between two such cuts share their beginning.
    """
    first = held = 0
    for index, tokens in enumerate(steps):
        held += tokens
        if held + room.answer > room.tokens:
            while first < index and held + room.answer > room.tokens // 2:
                held -= steps[first]
                first += 1
        if held + room.answer > room.tokens:
            raise _alone(index, held + room.answer, room)
        yield Part(range(first, index + 1), range(index, index + 1))


def _alone(index: int, need: int, room: Room) -> TooLongError:
    return TooLongError(
        f"step {index} alone needs {need} tokens, the context has room for {room.tokens}"
    )
