"""Hostile text made visible: nothing that a terminal obeys survives."""

import re

NOT_PRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Control characters (C0, DEL, C1), and what reorders or hides text (bidirectional, invisible)."""


def visible(text: str) -> str:
    """The text on one line: control characters as symbols (␛, ↵), others as `\\uXXXX`.

    Lone surrogates, which no terminal can print, become `\\udXXX` as well.
    """
    shown = NOT_PRINTABLE.sub(_symbol, text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def _symbol(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x0A:
        return "↵"
    if code == 0x09:
        return "→"
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"\\u{code:04x}"


def json_escaped(text: str) -> str:
    """JSON text with such characters as `\\uXXXX`: the same value, safe on a terminal.

    Line breaks stay: outside strings JSON may hold them, inside it never does.
    """
    return NOT_PRINTABLE.sub(
        lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text
    )
