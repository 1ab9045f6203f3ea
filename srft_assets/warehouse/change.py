"""What differs between two settings, in a few words."""

from difflib import SequenceMatcher

import orjson

SHOWN = 60
"""Characters of a value."""
AROUND = 20
"""Characters of a text before and after what differs."""


def change(old: object, new: object) -> str:
    """`old → new`, of long values around the change; of texts of several lines, the first line
    that differs."""
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        return _line_change(old.splitlines(), new.splitlines())
    before, after = _json(old), _json(new)
    if max(len(before), len(after)) > SHOWN:
        before, after = _around(before, after)
    return f"{_cut(before, 0, SHOWN)} → {_cut(after, 0, SHOWN)}"


def _line_change(old: list[str], new: list[str]) -> str:
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changed = [block for block in blocks if block[0] != "equal"]
    if not changed:
        return "line ends changed"
    _, i, i_end, j, j_end = changed[0]
    more = len(changed) - 1
    before = old[i] if i < i_end else ""
    after = new[j] if j < j_end else ""
    told = f"line {j + 1}: {' → '.join(map(_short, _around(before, after)))}"
    return told + (f", and {more} more {'place' if more == 1 else 'places'}" if more else "")


def _around(old: str, new: str) -> tuple[str, str]:
    """Both lines without what they share far from the change."""
    same = len(_common(old, new))
    tail = len(_common(old[same:][::-1], new[same:][::-1]))
    start = max(0, same - AROUND)
    return _cut(old, start, len(old) - tail + AROUND), _cut(new, start, len(new) - tail + AROUND)


def _common(one: str, other: str) -> str:
    length = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return one[:length]


def _cut(text: str, start: int, end: int) -> str:
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _short(text: str) -> str:
    return _cut(_json(text), 0, SHOWN)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
