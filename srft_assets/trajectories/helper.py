"""A second process that reads along: Python parses on one core only.

It is started where much is to be registered, or for the second large batch of a process, so that
a single batch never waits for it, and it is asked only once it is ready.
"""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LARGE_BYTES = 8 << 20
"""Of a batch. Half of less is read as soon as it is handed over."""

SEVERAL_BYTES = 64 << 20
"""Of sources that are worth a process before any of them is read."""


@dataclass
class _State:
    large: int = 0
    pool: ProcessPoolExecutor | None = None
    ready: Future[bool] | None = None


_state = _State()
_lock = threading.Lock()


def helper(batch_bytes: int) -> ProcessPoolExecutor | None:
    """The process, where the batch is large and the process is there; None: read alone."""
    if batch_bytes < LARGE_BYTES or _cores() < 2:
        return None
    with _lock:
        _state.large += 1
        if _state.pool is None and _state.large > 1:
            _start()
        ready = _state.ready is not None and _state.ready.done() and not _state.ready.exception()
        return _state.pool if ready else None


def expect(paths: Sequence[Path]) -> None:
    """Start the process where these files and folders make several large batches."""
    if _cores() > 1 and _bytes_of(paths) >= SEVERAL_BYTES:
        with _lock:
            if _state.pool is None:
                _start()


def _bytes_of(paths: Sequence[Path]) -> int:
    """Of the files and of those right below the folders, counted until they are many."""
    total = 0
    for path in paths:
        with suppress(OSError):  # whatever cannot be read is told when it is registered
            for file in path.iterdir() if path.is_dir() else [path]:
                total += file.stat().st_size
                if total >= SEVERAL_BYTES:
                    return total
    return total


def end_helper() -> None:
    """End the process, if there is one. The next large batches begin as the first did."""
    with _lock:
        if _state.pool is not None:
            _state.pool.shutdown(wait=False, cancel_futures=True)
        _state.large, _state.pool, _state.ready = 0, None, None


def _start() -> None:
    # Not forked: threads of polars and pyarrow would be left behind with their locks held.
    context = multiprocessing.get_context("spawn")
    _state.pool = ProcessPoolExecutor(1, context, _live_with_parent)
    _state.ready = _state.pool.submit(_imported)
    atexit.register(end_helper)


def _imported() -> bool:
    from srft_assets.trajectories import part

    return bool(part)


def _live_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it has ended, also by SIGKILL."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
