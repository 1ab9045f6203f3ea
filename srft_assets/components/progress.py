"""Progress of a stage: on the caller's bars, or as lines in the Dagster log."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from srft_assets.warehouse.stage import Progress

T = TypeVar("T")

_shown: ContextVar[Progress | None] = ContextVar("progress", default=None)

EVERY_SECONDS = 5.0


class LogProgress:
    """Says how far it is every few seconds: a run page has no bars."""

    def __init__(self, log: logging.Logger) -> None:
        self.log = log
        self.spoke = time.monotonic()

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Yield the items; log how many at most every `EVERY_SECONDS`."""
        for done, item in enumerate(items, start=1):
            yield item
            self.report(label, done, total or 0)

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Log `label: done/total note` at most every `EVERY_SECONDS`, and at the end."""
        if time.monotonic() - self.spoke > EVERY_SECONDS or done == total:
            self.spoke = time.monotonic()
            of = f"/{total}" if total else ""
            self.log.info("%s: %s%s %s", label, done, of, note)


@contextmanager
def shown_on(progress: Progress) -> Iterator[None]:
    """Show the progress of runs in this process on `progress` rather than in their logs."""
    token = _shown.set(progress)
    try:
        yield
    finally:
        _shown.reset(token)


def progress_of(log: logging.Logger) -> Progress:
    """Where a run of this process shows its progress."""
    return _shown.get() or LogProgress(log)
