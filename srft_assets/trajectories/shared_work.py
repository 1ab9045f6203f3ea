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
        self._discard: Callable[[Any], object] = lambda sent: None

    @property
    def shared(self) -> bool:
        """Whether helpers have any of it."""
        return bool(self._begun)

    def hand_to(
        self,
        helpers: Submits,
        there: Callable[[Part], Any],
        fetch: Callable[[Any], Result] | None = None,
        discard: Callable[[Any], object] | None = None,
    ) -> None:
        """Let the helpers begin; `fetch` makes a result of what `there` has sent, `discard` takes
        away what nobody will fetch.
        """
        self._fetch = fetch or self._fetch
        self._discard = discard or self._discard
        try:
            for place in reversed(range(len(self.parts))):
                self._begun[place] = helpers.submit(partial(there, self.parts[place]))
        except RuntimeError:  # they have ended; what they do not do is done here
            return

    def results(self) -> Iterator[Result]:
        """The result of every part, in their order. Raises what `here` raises.

        What nobody takes of them is dropped.
        """
        try:
            for place, part in enumerate(self.parts):
                begun = self._begun.get(place)
                if begun is None or begun.cancel() or begun.exception() is not None:
                    result = self.here(part)  # nobody had begun, was killed, or it fails here too
                else:
                    result = self._fetched(begun.result(), part)
                self._begun.pop(place, None)
                yield result
        finally:
            self.drop()

    def _fetched(self, sent: Any, part: Part) -> Result:
        try:
            return self._fetch(sent)
        except OSError:  # what it left is gone with its folder
            return self.here(part)

    def drop(self) -> None:
        """Do no more of it."""
        for begun in self._begun.values():
            if not begun.cancel():
                begun.add_done_callback(self._dropped)
        self._begun.clear()

    def _dropped(self, begun: "Future[Any]") -> None:
        if begun.exception() is None:
            self._discard(begun.result())
