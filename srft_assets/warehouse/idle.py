"""For work that nobody watches and that starts nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Idle:
    """A `Progress` that shows nothing."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """The items."""
        yield from items

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Nothing."""


IDLE = Idle()


def no_launch(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Starts nothing. Raises AssertionError: who foresees a partition needs no subprocess."""
    raise AssertionError(f"a subprocess was asked for: {argv[0]}")
