"""Progress that shows nothing."""

from collections.abc import Iterable, Iterator


class Silent:
    """A `Progress` for tests."""

    def track(self, items: Iterable, label: str, total: int | None = None) -> Iterator:
        yield from items

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        pass
