"""One server for all who ask within a run."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from srft_assets.errors import SrftError
from srft_assets.serving.server import Serve, Served


class SharedServer:
    """Started when first asked for, ended by `close`.

    A server that ended in between is started again. One that could not be started is not tried
    again: the same would fail after as long a wait.
    """

    def __init__(self, start: Serve) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._served: Served | None = None
        self._failure: SrftError | None = None

    @contextmanager
    def open(self) -> Iterator[Served]:
        """The server; it goes on after leaving. Raises SrftError where it cannot be started."""
        with self._lock:
            served = self._running()
        yield served

    def close(self) -> None:
        """End the server, if it was started."""
        with self._lock:
            self._served = None
            self._stack.close()

    def _running(self) -> Served:
        if self._failure is not None:
            raise self._failure
        if self._served is None or _ended(self._served):
            self._stack.close()
            try:
                self._served = self._stack.enter_context(self._start())
            except SrftError as error:
                self._failure = error
                raise
        return self._served


def _ended(served: Served) -> bool:
    """Whether a server of ours is gone, or dead and not yet taken note of by its guard."""
    if served.process_id is None:
        return False
    try:
        return psutil.Process(served.process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
