"""Several processes that help, and what they are asked."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from srft_assets.trajectories.helper import Helper


class Helpers:
    """The processes, each with a thread that waits for it; `folder` is for what they hand over.

    Threads of our own: those of an executor would have this process do all that is asked before
    it ends.
    """

    def __init__(self, number: int) -> None:
        """Raises OSError where there is no room for them."""
        self.folder = Path(tempfile.mkdtemp(prefix="srft-parts-"))
        self.all: list[Helper] = []
        self._greetings: list[Future[Any]] = [Future() for _ in range(number)]
        self._asked: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._open = 0
        self._ended = False
        self._lock = threading.Lock()
        try:
            self.all += (Helper(self.folder) for _ in range(number))
        except OSError:
            self.end()
            raise
        for pair in zip(self.all, self._greetings, strict=True):
            threading.Thread(target=self._serve, args=pair, name="helper", daemon=True).start()

    def submit(self, work: Callable[[], Any]) -> "Future[Any]":
        """Have one of them do it. Raises RuntimeError where they have ended."""
        future: Future[Any] = Future()
        with self._lock:
            if self._ended:
                raise RuntimeError("the helping processes have ended")
            self._open += 1
            self._asked.put((future, work))
        return future

    @property
    def ready(self) -> bool:
        """Whether all have begun to answer, and none has ended."""
        return all(map(_succeeded, self._greetings)) and all(one.alive for one in self.all)

    @property
    def busy(self) -> bool:
        """Whether they have yet to do what they were asked."""
        return self._open > 0

    def end(self) -> None:
        """End them. What they have not done raises CancelledError or HelperError."""
        with self._lock:
            self._ended = True
        with suppress(Empty):
            while asked := self._asked.get_nowait():
                asked[0].cancel()
        for one in self.all:
            self._asked.put(None)
            one.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _serve(self, one: Helper, greeting: "Future[Any]") -> None:
        _answer(greeting, one, os.getpid)
        while _succeeded(greeting) and (asked := self._asked.get()) is not None:
            _answer(asked[0], one, asked[1])
            with self._lock:
                self._open -= 1


def _answer(future: "Future[Any]", one: Helper, work: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(one.call(work))
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked
            future.set_exception(error)


def _succeeded(greeting: "Future[Any]") -> bool:
    return greeting.done() and not greeting.cancelled() and greeting.exception() is None
