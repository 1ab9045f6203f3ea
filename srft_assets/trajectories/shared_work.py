"""Work in parts: this process takes them from the front, the helpers from the back.

Whoever is faster does more. What comes out is the same, in the same order, with any number of
helpers, and where one is killed.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


class Submits(Protocol):
    """Whoever does work elsewhere."""

    def submit(self, work: Callable[[], Any]) -> "Future[Any]":
        """Have it done. Raises RuntimeError where nobody is there any more."""


class SharedWork(Generic[Part, Result]):
    """Begun at once by the helpers, and by this process when the results are asked for."""

    def __init__(self, parts: Sequence[Part], here: Callable[[Part], Result]) -> None:
        self.parts = parts
        self.here = here
        self._begun: dict[int, Future[Any]] = {}
        self._fetch: Callable[[Any], Result] = lambda sent: sent

    def hand_to(
        self,
        helpers: Submits,
        there: Callable[[Part], Any],
        fetch: Callable[[Any], Result] | None = None,
    ) -> None:
        """Let the helpers begin; `fetch` makes a result of what `there` has sent."""
        self._fetch = fetch or self._fetch
        try:
            for place in reversed(range(len(self.parts))):
                self._begun[place] = helpers.submit(partial(there, self.parts[place]))
        except RuntimeError:  # they have ended; what they do not do is done here
            return

    def results(self) -> Iterator[Result]:
        """The result of every part, in their order. Raises what `here` raises."""
        for place, part in enumerate(self.parts):
            begun = self._begun.pop(place, None)
            if begun is None or begun.cancel():
                yield self.here(part)
                continue
            if begun.exception() is not None:  # killed, or it fails here as well
                yield self.here(part)
                continue
            yield self._fetched(begun.result(), part)

    def _fetched(self, sent: Any, part: Part) -> Result:
        try:
            return self._fetch(sent)
        except OSError:  # what it left is gone with its folder
            return self.here(part)

    def drop(self) -> None:
        """Do no more of it."""
        for begun in self._begun.values():
            begun.cancel()
        self._begun.clear()
