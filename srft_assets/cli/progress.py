"""How far long work is: bars on a terminal, lines elsewhere, and both kept in a log."""

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from srft_assets.cli import console as printing
from srft_assets.cli.console import quoted, say

if TYPE_CHECKING:
    from srft_assets.warehouse.stage import Progress as Reported

T = TypeVar("T")

QUIET = "SRFT_QUIET"
EVERY_SECONDS = 15.0
"""Without a bar, no longer silence than this."""
BAR, SHORT_BAR = 24, 10
ROOM = 100
"""Columns of a terminal in which a whole bar leaves room for a note."""


def _be_quiet(stated: bool) -> bool:
    if stated:
        os.environ[QUIET] = "1"
    return stated


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", callback=_be_quiet)]
"""Option of commands that take long; also understood as SRFT_QUIET=1; 0 is none."""


class Tracking(ABC):
    """A progress whose `track` is told by `report`."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Yield the items and tell how many are done under `label`."""
        count = total if total is not None else len(items) if isinstance(items, Sized) else 0
        self.report(label, 0, count)
        for done, item in enumerate(items, start=1):
            yield item
            self.report(label, done, count or done)

    @abstractmethod
    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Tell that `done` of `total` are done."""


class Bars(Tracking):
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

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Set the bar named `label`."""
        if label not in self.tasks:
            if not (total or note):
                return  # what begins has no bar yet
            self.progress.start()
            self.tasks[label] = self.progress.add_task(label, total=total, note=note)
        self.progress.update(self.tasks[label], completed=done, total=total, note=note)


class Lines(Tracking):
    """A line when a label is done, or says what it waits for; and one every `every` seconds.

    A context manager: a thread of its own speaks while the work is silent.
    """

    def __init__(self, write: Callable[[str], None], every: float = EVERY_SECONDS) -> None:
        self.write, self.every = write, every
        self.began: dict[str, float] = {}
        self.last = ("", 0, 0, "")
        self.spoke = self.ended = time.monotonic()
        self.lock, self.over = threading.Lock(), threading.Event()
        self.speaker = threading.Thread(target=self._speak, daemon=True)

    def __enter__(self) -> "Lines":
        self.speaker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.speaker.join()

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Remember it; say it where it is the end, or where nothing was said for long."""
        with self.lock:
            self.began.setdefault(label, time.monotonic())
            news = self.last != (label, done, total, note)
            self.last = (label, done, total, note)
            tells = done >= total if total else bool(note)
            if news and tells and total:
                self.ended = time.monotonic()
            if (news and tells) or time.monotonic() - self.spoke >= self.every:
                self._say(news)

    def _speak(self) -> None:
        while not self.over.wait(min(self.every, 1.0)):
            with self.lock:
                if time.monotonic() - self.spoke >= self.every:
                    self._say(news=False)

    def _say(self, news: bool) -> None:
        label, done, total, note = self.last
        self.spoke = time.monotonic()
        if total and done >= total and not news:
            self.write(f"at work after {label}, for {clock(self.spoke - self.ended)}")
            return
        self.write(line(label, done, total, self.spoke - self.began.get(label, self.spoke), note))


def line(label: str, done: int, total: int, seconds: float, note: str = "") -> str:
    """What is done, count of total, rate and time left, in one line."""
    if not label:
        return "at work"
    told = [f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""]
    if total and done >= total:
        told.append(f"in {clock(seconds)}")
    elif done and seconds:
        rate = done / seconds
        pace = f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute"
        told += [pace, f"{clock((total - done) / rate)} left"] if total else [pace]
    else:
        told.append(f"for {clock(seconds)}")
    return f"{label}: {', '.join(one for one in (*told, note) if one)}"


def clock(seconds: float) -> str:
    """`7 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class All(Tracking):
    """Several progresses as one."""

    def __init__(self, told: "Sequence[Reported]") -> None:
        self.told = told

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Tell each."""
        for one in self.told:
            one.report(label, done, total, note)


@contextmanager
def progress(console: Console) -> "Iterator[Reported]":
    """What long work reports to: bars on a terminal, else lines; nothing shown with `--quiet`.

    The lines are in the log of the command either way, where it has one.
    """
    shown = os.environ.get(QUIET, "") in ("", "0")
    with ExitStack() as open:
        told: list[Reported] = []
        if shown and console.is_terminal:
            told.append(open.enter_context(Bars(console)))
        lines_shown = shown and not console.is_terminal

        def write(told: str) -> None:
            if lines_shown:
                say(console, quoted(told))
                sys.stdout.flush()
            else:
                printing.keep(told)

        told.append(open.enter_context(Lines(write)))
        yield All(told)
