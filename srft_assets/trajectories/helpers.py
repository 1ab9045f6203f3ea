"""Processes that read along: Python parses on one core only.

They are started where much is to be registered, or for the second large batch of a process, so
that a single batch never waits for them; they are asked only once they are ready, and end when
they have had nothing to do for a while, or with this process.
"""

import atexit
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from srft_assets.trajectories.helper_pool import Helpers

LARGE_BYTES = 8 << 20
"""Of a batch. Less is read before it is handed over."""
SEVERAL_BYTES = 64 << 20
"""Of sources that are worth a process before any of them is read."""
MOST = 4
"""Helpers at most: one process makes the rows of all into one partition."""
IDLE_SECONDS = 30.0


@dataclass
class _State:
    large: int = 0
    helpers: Helpers | None = None
    idle: threading.Timer | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)


_state = _State()


def helpers_for(batch_bytes: int, wanted: bool = True) -> Helpers | None:
    """The processes, where the batch is large and they are ready; None: read alone.

    `wanted`: the batch is sure to be made. Nothing is started for another.
    """
    if batch_bytes < LARGE_BYTES or _cores() < 2:
        return None
    with _state.lock:
        _state.large += wanted
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
    with suppress(OSError):  # no room for processes or files: this one reads alone
        _state.helpers = Helpers(min(_cores() - 1, MOST))
        _end_when_idle()


def _end_when_idle() -> None:
    if _state.idle is not None:
        _state.idle.cancel()
    _state.idle = threading.Timer(IDLE_SECONDS, _end_unless_busy)
    _state.idle.daemon = True
    _state.idle.start()


def _end_unless_busy() -> None:
    with _state.lock:
        if _state.helpers is None or not _state.helpers.busy:
            end_helpers()
        else:
            _end_when_idle()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


atexit.register(end_helpers)
