"""Printing: lines are never broken, and only our own markup is read."""

from rich.console import Console


def say(console: Console, line: str) -> None:
    """Print one line, however long: a terminal wraps it, a pipe gets it whole."""
    console.print(line, highlight=False, soft_wrap=True)
