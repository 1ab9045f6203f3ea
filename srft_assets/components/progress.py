"""Progress of a stage as lines in the Dagster log."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

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
