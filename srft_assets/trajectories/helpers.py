"""Processes that read along: Python parses on one core only.

They are started where much is to be registered, or for the second large batch of a process, so
that a single batch never waits for them; they are asked only once they are ready, and end when
nobody has asked for a while.
"""

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from srft_assets.trajectories.helper import Helper

LARGE_BYTES = 8 << 20
"""Of a batch. Less is read before it is handed over."""
SEVERAL_BYTES = 64 << 20
"""Of sources that are worth a process before any of them is read."""
MOST = 4
"""Helpers at most: one process makes the rows of all into one partition."""
IDLE_SECONDS = 30.0


class Helpers:
    """The processes, each with a thread that waits for it; `folder` is for what they hand over."""

    def __init__(self, number: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="srft-parts-"))
        self.all = [Helper(self.folder) for _ in range(number)]
        self._free: SimpleQueue[Helper] = SimpleQueue()
        self._threads = ThreadPoolExecutor(number, "helper")
        self._greetings = [self._threads.submit(self._greet, one) for one in self.all]

    def submit(self, work: Callable[[], Any]) -> "Future[Any]":
        """Have one of them do it. Raises RuntimeError where they have ended."""
        return self._threads.submit(self._call, work)

    @property
    def ready(self) -> bool:
        """Whether all have begun to answer, and none has ended."""
        return all(map(_succeeded, self._greetings)) and all(one.alive for one in self.all)

    def end(self) -> None:
        """End them. What they have not done raises CancelledError or HelperError."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for one in self.all:
            one.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _greet(self, one: Helper) -> None:
        one.call(os.getpid)
        self._free.put(one)

    def _call(self, work: Callable[[], Any]) -> Any:
        one = self._free.get()
        try:
            return one.call(work)
        finally:
            self._free.put(one)


def _succeeded(greeting: "Future[None]") -> bool:
    return greeting.done() and not greeting.cancelled() and greeting.exception() is None


@dataclass
class _State:
    large: int = 0
    helpers: Helpers | None = None
    idle: threading.Timer | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)


_state = _State()


def helpers_for(batch_bytes: int) -> Helpers | None:
    """The processes, where the batch is large and they are ready; None: read alone."""
    if batch_bytes < LARGE_BYTES or _cores() < 2:
        return None
    with _state.lock:
        _state.large += 1
        if _state.helpers is None and _state.large > 1:
            _start()
        return ready()


def ready() -> Helpers | None:
    """The processes, if they have started."""
    with _state.lock:
        if _state.helpers is None or not _state.helpers.ready:
            return None
        _end_when_idle()
        return _state.helpers


def expect(all_bytes: int) -> None:
    """Start the processes where so many bytes make several large batches."""
    with _state.lock:
        if all_bytes >= SEVERAL_BYTES and _cores() > 1 and _state.helpers is None:
            _start()


def end_helpers() -> None:
    """End the processes, if there are any. The next large batches begin as the first did."""
    with _state.lock:
        if _state.idle is not None:
            _state.idle.cancel()
        found, _state.large, _state.helpers, _state.idle = _state.helpers, 0, None, None
    if found is not None:
        found.end()


def _start() -> None:
    _state.helpers = Helpers(min(_cores() - 1, MOST))
    _end_when_idle()
    atexit.register(end_helpers)


def _end_when_idle() -> None:
    if _state.idle is not None:
        _state.idle.cancel()
    _state.idle = threading.Timer(IDLE_SECONDS, end_helpers)
    _state.idle.daemon = True
    _state.idle.start()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
