"""For work that nobody watches and that starts nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from srft_assets.errors import SrftError
from srft_assets.serving.server import Served

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


def no_server() -> AbstractContextManager[Served]:
    """There is no model server. Raises SrftError."""
    raise SrftError("no model server at hand: state endpoint.base_url in the critic's YAML")
