"""Where processes are started: threads that sit in a cgroup each, so that theirs are born there."""

import atexit
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cache
from queue import SimpleQueue

from srft_assets.sandbox.cgroups import OwnCgroup, PidsCgroup, find_own, make_cgroup, sweep

Start = Callable[[], subprocess.Popen[bytes]]
OWN_TASKS = 3
"""The thread of the slot, bubblewrap's monitor, and its process 1."""
LEAVING_SECONDS = 0.5
ENOUGH = 16
"""Slots, from which on one is used again whose last tree is still dying: the kernel counts a
process until some 0.5 s after its end."""


class Slot:
    """One cgroup and its thread; starts one process tree at a time.

    To move a started process into a cgroup would cost 10 ms for each command; the thread moves
    once. It lives as long as this process: bubblewrap dies with the thread that started it.
    """

    def __init__(self, cgroup: PidsCgroup) -> None:
        """Raises OSError where the thread may not enter the cgroup."""
        self._cgroup = cgroup
        self._asked: SimpleQueue[tuple[Start, Future[subprocess.Popen[bytes]]] | None]
        self._asked = SimpleQueue()
        self._refusals = 0
        entered: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._serve, args=[entered], name="sandbox-slot", daemon=True
        )
        self._thread.start()
        entered.result()

    def start(self, start: Start, processes: int) -> subprocess.Popen[bytes]:
        """Start a tree of at most `processes` processes and threads; raises what `start` does.

        What still dies of the last tree is allowed for, and leaves that much room when it is gone.
        """
        dying = self._cgroup.held() - 1
        self._cgroup.allow(processes + OWN_TASKS + dying)
        self._refusals = self._cgroup.refusals()
        started: Future[subprocess.Popen[bytes]] = Future()
        self._asked.put((start, started))
        try:
            return started.result()
        except KeyboardInterrupt:
            # It may be started all the same, and nobody else knows of it.
            started.add_done_callback(_kill)
            raise

    def overstepped(self) -> bool:
        """Whether the kernel refused a process to the tree."""
        return self._cgroup.refusals() > self._refusals

    def idle(self) -> bool:
        """Whether all of the last tree is gone."""
        return self._cgroup.held() == 1

    def close(self) -> None:
        """End the thread and remove the cgroup; what cannot be removed is left to `sweep`."""
        self._asked.put(None)
        self._thread.join(LEAVING_SECONDS)
        until = time.monotonic() + LEAVING_SECONDS
        while not self._cgroup.remove() and time.monotonic() < until:
            time.sleep(0.005)

    def _serve(self, entered: Future[None]) -> None:
        try:
            self._cgroup.enter()
        except OSError as error:
            entered.set_exception(error)
            return
        entered.set_result(None)
        while (asked := self._asked.get()) is not None:
            start, started = asked
            try:
                started.set_result(start())
            except (OSError, ValueError, TypeError) as error:
                started.set_exception(error)


def _kill(started: Future[subprocess.Popen[bytes]]) -> None:
    if started.exception() is None:
        started.result().kill()


class Slots:
    """The slots of this process, made when needed: at most `ENOUGH`, or as many as commands ever
    ran at once.
    """

    def __init__(self, own: OwnCgroup) -> None:
        """Sweep what killed processes left. Raises OSError where no slot can be made."""
        self._own = own
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free: list[Slot] = []
        """Those that were used last stand last."""
        self._number = 0
        sweep(own)
        self._free.append(self._make())
        atexit.register(self._close)

    @property
    def version(self) -> int:
        """Of the kernel's cgroup interface: 1 or 2."""
        return self._own.version

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        """A slot for one command. Raises OSError where no further one can be made."""
        with self._lock:
            taken = next((slot for slot in self._free if slot.idle()), None)
            if taken is None and self._number >= ENOUGH:
                taken = next(iter(self._free), None)
            if taken:
                self._free.remove(taken)
        slot = taken or self._make()
        try:
            yield slot
        finally:
            with self._lock:
                self._free.append(slot)

    def _make(self) -> Slot:
        cgroup = make_cgroup(self._own)
        try:
            slot = Slot(cgroup)
        except OSError:
            cgroup.remove()
            raise
        with self._lock:
            self._number += 1
        return slot

    def _close(self) -> None:
        if os.getpid() == self._pid:
            for slot in self._free:
                slot.close()


@cache
def open_slots() -> Slots | None:
    """The slots of this process, or None where it may make no cgroups."""
    own = find_own()
    if own is None:
        return None
    try:
        return Slots(own)
    except OSError:
        return None


def any_slot() -> contextlib.AbstractContextManager[Slot | None]:
    """A slot for one command, or None where this process may make no cgroups."""
    slots = open_slots()
    return slots.slot() if slots else contextlib.nullcontext()


# Threads do not outlive a fork: the child makes slots of its own.
os.register_at_fork(after_in_child=open_slots.cache_clear)
