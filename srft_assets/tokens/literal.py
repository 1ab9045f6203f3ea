"""Text of the run that merely looks like a special token, told apart from the template's own.

An observation may hold `<|im_end|>`, because the agent looked at a tokenizer's files or because
someone wants to forge a turn. Such text is wrapped in private-use characters before rendering,
so that in the rendering every unwrapped special token is the template's.
"""

import re
from bisect import bisect_left
from typing import Any

from srft_assets.tokens.errors import RunRefusedError

PRIVATE = tuple(map(chr, range(0x10FF00, 0x10FFFE)))
"""Characters of the last private-use plane; a mark is any of them that the text is free of."""


def free_marks(text: str, count: int) -> list[str]:
    """`count` private-use characters that do not occur in the text.

    Raises RunRefusedError where the text uses them all.
    """
    free = [char for char in PRIVATE if char not in text][:count]
    if len(free) < count:
        raise RunRefusedError("the text uses every private-use character that could mark it")
    return free


def wrap(value: Any, pattern: re.Pattern[str], mark: str) -> tuple[Any, int]:
    """A deep copy with `mark` on both sides of each match, and how many there are."""
    if isinstance(value, str):
        return pattern.subn(lambda found: f"{mark}{found[0]}{mark}", value)
    if isinstance(value, dict):
        keys = [wrap(key, pattern, mark) for key in value]
        cells = [wrap(cell, pattern, mark) for cell in value.values()]
        both = {key[0]: cell[0] for key, cell in zip(keys, cells, strict=True)}
        return both, sum(found for _, found in keys + cells)
    if isinstance(value, list):
        items = [wrap(item, pattern, mark) for item in value]
        return [item for item, _ in items], sum(found for _, found in items)
    return value, 0


def unwrap(text: str, mark: str) -> tuple[str, list[int]]:
    """The text without the marks, and where in the marked text they stood."""
    return text.replace(mark, ""), [place.start() for place in re.finditer(mark, text)]


def shift(position: int, places: list[int]) -> int:
    """A position in the marked text as a position in the text without marks."""
    return position - bisect_left(places, position)
