"""Printing: lines are never broken, and only our own markup is read."""

from rich.console import Console
from rich.markup import escape

from srft_assets.show.text import visible


def say(console: Console, line: str) -> None:
    """Print one line, however long: a terminal wraps it, a pipe gets it whole."""
    console.print(line, highlight=False, soft_wrap=True)


def quoted(text: str) -> str:
    """Text that others wrote, on one line: no markup is read, no control character acts."""
    return escape(visible(" ".join(text.split())))
