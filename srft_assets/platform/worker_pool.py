"""Partitions of one stage, one after the other here, or side by side in processes of their own.

A partition is held by whoever makes it, so that a killed worker holds nothing.
"""

import os
import signal
import socket
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Literal, Protocol, TypeVar

from srft_assets.errors import SrftError, WaitingError
from srft_assets.home import Home
from srft_assets.processes.child import python
from srft_assets.processes.launch import GRACE_SECONDS
from srft_assets.processes.locks import partition_turn
from srft_assets.seeds import check_seed
from srft_assets.warehouse.making import make_current
from srft_assets.warehouse.partitions import Stamp
from srft_assets.warehouse.plan import in_sync
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Made, Stage, Work
from srft_assets.warehouse.turn import Turn

T = TypeVar("T")
SHOWN_ROWS = 5
"""Of what was made, for the page of its partition."""
TRANSIENT = (ConnectionError, TimeoutError)
"""Errors that another try may mend. Everything else fails at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What workers are told. `force`: make it although it is in sync."""

    key: str
    run_id: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a partition.

    Attributes:
        how: `again`: by an error that another try may mend.
        why: the reason, where it was not made.
        trace: a traceback, where that is an error of ours.
        made: with the first `SHOWN_ROWS` rows.
    """

    name: str
    how: Literal["made", "kept", "failed", "waits", "again"]
    why: str = ""
    trace: str = ""
    made: Made | None = None
    stamp: Stamp | None = None
    seconds: float = 0.0


class Listener(Protocol):
    """Hears of the work."""

    def log(self, level: int, line: str) -> None:
        """A line for the log of the run."""

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """How far something is; as `warehouse.stage.Progress` has it."""


def reason_of(error: Exception) -> str:
    """Why a partition was not made, in one line."""
    return str(error) if isinstance(error, SrftError) else f"{type(error).__name__}: {error}"


@dataclass
class Worker:
    """A worker, seen by its parent."""

    process: subprocess.Popen[bytes]
    channel: Connection
    name: str = ""
    """What it makes."""

    @staticmethod
    def start(asked: Asked, jobs: int) -> "Worker":
        """Start it; it is told what of."""
        ours, theirs = socket.socketpair()
        cores = max(1, (os.cpu_count() or 1) // jobs)
        with theirs:
            process = subprocess.Popen(
                python("srft_assets.platform.worker", str(theirs.fileno()), str(os.getpid())),
                env={**os.environ, "POLARS_MAX_THREADS": str(cores)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        worker = Worker(process, Connection(ours.detach()))
        worker._send(asked)
        return worker

    def give(self, name: str) -> None:
        """Let it make a partition."""
        self.name = name
        self._send(name)

    def _send(self, told: object) -> None:
        with suppress(ConnectionError):  # of a dead one the end of the channel tells
            self.channel.send(told)

    def end(self) -> None:
        """End it, with what it started."""
        self.channel.close()
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_SECONDS * 2)
        self.process.kill()
        self.process.wait()


def make_side_by_side(
    asked: Asked, names: Sequence[str], jobs: int, listener: Listener
) -> Iterator[Ended]:
    """Make the partitions, `jobs` of them at a time; yields each as it ends.

    A worker that dies costs its partition, and another one takes its place, until `jobs` died and
    nothing ended in between. Where the iteration is left early, all that was begun is ended.
    """
    left = list(reversed(names))
    deaths = 0
    with ExitStack() as ends:
        working: dict[Connection, Worker] = {}

        def begin() -> None:
            worker = Worker.start(asked, jobs)
            ends.callback(worker.end)
            working[worker.channel] = worker
            worker.give(left.pop())

        for _ in range(min(jobs, len(names))):
            begin()
        while working:
            for channel in wait(list(working)):
                assert isinstance(channel, Connection)
                worker = working[channel]
                try:
                    told = channel.recv()
                except (EOFError, ConnectionError):
                    del working[channel]
                    deaths += 1
                    yield Ended(worker.name, "failed", _died(worker))
                    if left and deaths < jobs:
                        begin()
                    elif not working:  # else the others go on with what is left
                        yield from (Ended(name, "failed", "no worker is left") for name in left)
                    continue
                if isinstance(told, Ended):
                    deaths = 0
                    yield told
                    if left:
                        worker.give(left.pop())
                    else:
                        del working[channel]
                else:
                    getattr(listener, told[0])(*told[1:])


def _died(worker: Worker) -> str:
    code = worker.process.wait()
    if code == -signal.SIGKILL:
        return "its process was killed, perhaps by the system for want of memory"
    return f"its process ended with code {code}"


def next_turn(home: Home, asset: str, partition: str) -> Turn:
    """The next turn of making a partition: what the turns before it write comes too late."""
    from srft_assets.database.store import TURNS, database_of

    database, name = database_of(home), f"{asset}/{partition}"

    def last() -> int:
        return next((row.number for row in database.rows(TURNS, [name])), 0)

    with database.write() as connection:
        wanted = TURNS.c.name == name
        known = connection.execute(TURNS.select().where(wanted)).one_or_none()
        number = known.number + 1 if known else 1
        if known:
            connection.execute(TURNS.update().where(wanted).values(number=number))
        else:
            connection.execute(TURNS.insert().values(name=name, number=number))
    return Turn(name, number, last)


@dataclass(frozen=True)
class Making:
    """The making of partitions of one stage. `tell` hears whom one waits for."""

    home: Home
    stage: Stage
    force: bool
    tell: Callable[[str], None]

    def made(self, name: str, work_on: Callable[[Recipe], Work]) -> Ended:
        """Make it in its turn, unless it is in sync. Raises whatever making it does."""
        with partition_turn(self.home, self.stage.key, name, self.tell):
            start = time.perf_counter()
            if self.stage.partitioned_by == "seed":
                check_seed(name)
            if not self.force and in_sync(self.stage, self.home, name):
                return Ended(name, "kept")
            turn = next_turn(self.home, self.stage.key, name)
            made, stamp = make_current(
                self.stage, self.home, name, lambda recipe: replace(work_on(recipe), turn=turn)
            )
        shown = replace(made, frame=made.frame.head(SHOWN_ROWS))
        return Ended(name, "made", "", "", shown, stamp, time.perf_counter() - start)

    def ended(self, name: str, work_on: Callable[[Recipe], Work]) -> Ended:
        """As `made`, whatever becomes of it."""
        try:
            return self.made(name, work_on)
        except TRANSIENT as error:
            return Ended(name, "again", reason_of(error))
        except WaitingError as error:
            return Ended(name, "waits", str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours, too, costs one partition
            trace = "" if isinstance(error, SrftError) else traceback.format_exc()
            return Ended(name, "failed", reason_of(error), trace)
