"""Printing: lines, refusals and progress; text that others wrote never acts on a terminal."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from srft_assets.errors import Refusal
from srft_assets.text import visible

SHOWN_REFUSALS = 20


def say(console: Console, line: str) -> None:
    """Print one line, however long: a terminal wraps it, a pipe gets it whole."""
    console.print(line, highlight=False, soft_wrap=True)


def quoted(text: str) -> str:
    """Text that others wrote, on one line: no markup is read, no control character acts."""
    return escape(visible(" ".join(text.split())))


def some(names: Sequence[str], shown: int = 3) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - shown
    told = ", ".join(names[:shown])
    return f"{told} and {rest} more" if rest > 0 else told


def say_refused(console: Console, refusals: Sequence[Refusal], where: str = "") -> None:
    """A line for each of the first refusals; `where` tells how to see the others."""
    for refusal in refusals[:SHOWN_REFUSALS]:
        say(console, f"[yellow]refused[/] {quoted(refusal.line())}")
    if len(refusals) > SHOWN_REFUSALS:
        say(console, f"… and {len(refusals) - SHOWN_REFUSALS} more{where}")


T = TypeVar("T")

BAR, SHORT_BAR = 24, 10
ROOM = 100
"""Columns of a terminal in which a whole bar leaves room for a note."""


class Bars:
    """One bar a label; finished bars stay. Without any, nothing is drawn. A context manager."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description:<32}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=BAR if console.width >= ROOM else SHORT_BAR),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn(
                "{task.fields[note]}",
                markup=False,
                style="dim",
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            expand=True,
            console=console,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self.tasks:
            self.progress.stop()

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Yield the items and move the bar named `label`."""
        count = total if total is not None else _length(items)
        self.report(label, 0, count or 0)
        for done, item in enumerate(items, start=1):
            yield item
            self.report(label, done, count or done)

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Set the bar named `label`."""
        if label not in self.tasks:
            self.progress.start()
            self.tasks[label] = self.progress.add_task(label, total=total, note=note)
        self.progress.update(self.tasks[label], completed=done, total=total, note=note)


def _length(items: Iterable[object]) -> int | None:
    return len(items) if isinstance(items, Sized) else None
