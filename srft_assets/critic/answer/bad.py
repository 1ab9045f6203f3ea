"""What can be wrong with an answer."""

from dataclasses import dataclass
from typing import Literal

from srft_assets.warehouse.visible import visible

Kind = Literal["refused", "cut", "empty", "not_json", "wrong_steps", "unknown_label"]


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """A reply without valid verdicts.

    Attributes:
        kind: for counting.
        reason: one line, fit to be told to the model.
    """

    kind: Kind
    reason: str


class Bad(Exception):
    """Ends the reading of an answer."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.answer = BadAnswer(kind, reason)


def one_line(text: str, chars: int = 200) -> str:
    """On one line, without control characters, at most so many characters."""
    return visible(" ".join(text[: 4 * chars].split()))[:chars]
