"""Fences: lines that foreign text cannot write."""

import hashlib
from collections.abc import Iterable

DIGITS = 8


def fence_id(seed: str, texts: Iterable[str]) -> str:
    """Hex digits that occur in none of the texts: the same for the same texts.

    Derived from `seed`, again and again until they occur nowhere. With the task as seed, runs of
    the same task share their fences, so that a server's prefix cache holds the task once.
    """
    everything = "\n".join(texts)
    for attempt in range(len(everything) + 1):
        made = hashlib.sha256(f"{attempt}\n{seed}".encode()).hexdigest()[:DIGITS]
        if made not in everything:
            return made
    raise AssertionError("a text holds fewer fences than characters")


def fenced(fence: str, kind: str, text: str, note: str = "") -> str:
    """The text between the lines `<kind_id note>` and `</kind_id>`."""
    return f"{opening(fence, kind, note)}\n{text}\n</{kind}_{fence}>"


def opening(fence: str, kind: str, note: str = "") -> str:
    """The line that begins a text."""
    return f"<{kind}_{fence} {note}>" if note else f"<{kind}_{fence}>"
