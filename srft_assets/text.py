"""Hostile text made visible: nothing survives that a terminal obeys or hides."""

import json
import re
from collections.abc import Sequence

NOT_PRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    r"|(?<![\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f](?!\u20e3)"
)
"""Control characters (C0, DEL, C1), and what reorders or hides text: bidirectional marks, and what
is shown as nothing (soft hyphens, fillers, tags, variation selectors other than the one that says
whether a symbol is an emoji), in which whole sentences can be hidden from people.
Stated here and not asked of Python, whose every version knows other characters: what is made
visible is also stored, and shown to critics."""
_HIDDEN = re.compile(rf"(?![\n\t])(?:{NOT_PRINTABLE.pattern})")

HIDDEN = "[hidden]"
"""Stands for what nobody shall see."""
_USER_INFO = re.compile(r"(?<=://)[^/\s]+@")
_QUERY = re.compile(r"(://[^\s?#]*\?)[^\s#\"'<>]+")


def hide_in_urls(text: str) -> str:
    """The text without user information and without query values in URLs."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USER_INFO.sub(f"{HIDDEN}@", text))


def visible(text: str) -> str:
    """The text on one line: control characters as symbols (␛, ↵), others as `\\uXXXX`.

    Lone surrogates, which no terminal can print, become `\\udXXX` as well.
    """
    shown = NOT_PRINTABLE.sub(_symbol, text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def visible_in_lines(text: str) -> str:
    """The same of a text whose line ends and tabs stay; `\r\n` becomes `\n`."""
    shown = _HIDDEN.sub(_symbol, text.replace("\r\n", "\n"))
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def visible_lines(text: str) -> str:
    """The same for people who read a long text: line ends stay, and tabs become spaces.

    All that Python calls unprintable is made visible, unassigned characters too.
    """
    lines = visible_in_lines(text).expandtabs(4)
    return "".join(char if char == "\n" or char.isprintable() else _sign(char) for char in lines)


def printable(text: str) -> str:
    """The text on one line, with a space for every character that is not printable."""
    return "".join(char if char.isprintable() else " " for char in text)


def some(names: Sequence[str], shown: int = 3) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - shown
    told = ", ".join(names[:shown])
    return f"{told} and {rest} more" if rest > 0 else told


def json_escaped(text: str) -> str:
    """JSON text with such characters as `\\uXXXX`: the same value, safe on a terminal.

    Line breaks stay: outside strings JSON may hold them, inside it never does.
    """
    return NOT_PRINTABLE.sub(
        lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text
    )


def _symbol(found: re.Match[str]) -> str:
    return _sign(found[0])


def _sign(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return {"\n": "↵", "\t": "→"}.get(char) or chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
