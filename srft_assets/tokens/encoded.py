"""Token ids that know which characters they stand for."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a rendering, and the half-open stretch of it that each stands for.

    Attributes:
        ids: int32.
        starts: where each token's stretch starts, in ascending order.
        ends: where it ends.
        places: character → place in the unit of `starts` and `ends`; None where they are
            characters.
        exact: whether the bytes of the tokens are, in order, those of the text. Then every
            stretch of tokens decodes to its stretch of the text.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    places: np.ndarray | None
    exact: bool

    def tokens_within(self, start: int, end: int) -> tuple[int, int]:
        """Half-open token range of the tokens that stand for characters `[start, end)` only.

        A token over the start is left out: it would be trained on what it does not own. With it
        go tokens that share a character with it (bytes of an emoji). A special token that takes
        in the white space after it counts up to its own end.
        """
        first = int(np.searchsorted(self.starts, self._place(start), "left"))
        last = int(np.searchsorted(self.starts, self._place(end), "left"))
        while 0 < first < last and not self._opens_a_character(first):
            first += 1
        return first, last

    def char_of(self, token: int) -> int:
        """The character at which a token's stretch starts."""
        place = int(self.starts[token])
        return place if self.places is None else int(np.searchsorted(self.places, place))

    def _place(self, char: int) -> int:
        return char if self.places is None else int(self.places[char])

    def _opens_a_character(self, token: int) -> bool:
        if self.places is None:
            return int(self.ends[token - 1]) <= int(self.starts[token])
        place = int(self.starts[token])
        return int(self.places[np.searchsorted(self.places, place)]) == place
