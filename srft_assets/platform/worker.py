"""A worker of `worker_pool`: makes partitions of one stage, as it is told.

    python -P -m srft_assets.platform.worker CHANNEL PARENT

It reads the graph from its files, makes one partition after the other as it hears their names over
CHANNEL, a socket, tells how it goes, and ends with its parent. What is heavy and starts here,
without a prefix, takes turns with that of the other workers.
"""

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from srft_assets.home import Home, current_home
from srft_assets.platform.stages import load_stages
from srft_assets.platform.worker_pool import Asked, Ended, Making
from srft_assets.processes.guard import PR_SET_PDEATHSIG
from srft_assets.processes.launch import job_folder, launch_job, told_step
from srft_assets.processes.locks import exclusive
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Work

T = TypeVar("T")
TELL_SECONDS = 0.2


class _Teller(logging.Handler):
    """The worker's log and progress, told to whoever asked for the work."""

    def __init__(self, send: Callable[[object], None]) -> None:
        super().__init__(logging.INFO)
        self.send = send
        self.spoke = 0.0

    def tell(self, told: object) -> None:
        """Tell it whole, whichever thread does."""
        with self.lock or nullcontext():
            self.send(told)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a line."""
        self.tell(("log", record.levelno, record.getMessage()))

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """The items; how many is told now and then."""
        for done, item in enumerate(items, start=1):
            yield item
            self.report(label, done, total or 0)

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Tell how far it is, at most every `TELL_SECONDS`, and at the end."""
        if time.monotonic() - self.spoke > TELL_SECONDS or done == total:
            self.spoke = time.monotonic()
            self.tell(("report", label, done, total, note))


@dataclass(frozen=True)
class _Here:
    """What a worker hands to a stage. `alone`: what is heavy and runs here has this machine to
    itself."""

    home: Home
    asked: Asked
    teller: _Teller
    log: logging.Logger
    alone: bool

    def work(self, name: str, recipe: Recipe) -> Work:
        """What makes a partition of this recipe."""
        return Work(
            home=self.home,
            warehouse=Warehouse(self.home.warehouse),
            partition=name,
            recipe=recipe,
            run_id=self.asked.run_id,
            progress=self.teller,
            launch=self._launch,
            log=self.log,
        )

    def _launch(
        self, argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        here = self.home.launches / f".here-{socket.gethostname()}.lock"
        with ExitStack() as ends:
            if self.alone and not prefix:
                ends.enter_context(exclusive(here, tell=self.log.info))
            folder = ends.enter_context(job_folder(self.home.launches))
            launch_job(self.home, argv, env, prefix, folder, self._on_line)

    def _on_line(self, line: str) -> None:
        step = told_step(line, self.asked.key)
        if step:
            self.teller.report(*step)


def maker(
    asked: Asked, send: Callable[[object], None], alone: bool = True
) -> Callable[[str], Ended]:
    """What makes partitions by name, of the graph as its files state it now. `send` hears methods
    of `Listener` and their arguments."""
    teller, log = _Teller(send), logging.getLogger("srft.worker_pool")
    log.handlers[:] = [teller]
    log.setLevel(logging.INFO)
    log.propagate = False
    here = _Here(current_home(), asked, teller, log, alone)
    making = Making(here.home, load_stages()[asked.key], asked.force, log.warning)
    return lambda name: making.ended(name, partial(here.work, name))


def main(arguments: Sequence[str]) -> None:
    """Make what the parent names, until it closes the channel or is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(arguments[1]):
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    channel: Any = Connection(int(arguments[0]))
    asked = channel.recv()
    make = maker(asked, channel.send)
    with suppress(EOFError, ConnectionError):
        while True:
            channel.send(make(channel.recv()))


if __name__ == "__main__":
    main(sys.argv[1:])
