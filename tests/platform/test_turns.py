"""A host that was cut off and comes back does not overwrite what was made meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import polars as pl
import pytest
import sqlalchemy as sa

from srft_assets.database.store import TURNS, database_of
from srft_assets.home import Home
from srft_assets.platform.worker_pool import Ended, Making, next_turn
from srft_assets.warehouse.making import work_alone
from srft_assets.warehouse.partitions import Stamp, Warehouse
from srft_assets.warehouse.stage import Made, Stage, Work
from tests import postgres

ASSET = "numbers/of"
MAKER = """
import os, signal, sys
from pathlib import Path
from srft_assets.home import Home
from tests.platform.test_turns import ended

def stop():
    os.kill(os.getpid(), signal.SIGSTOP)

rename = Path.replace
def stop_and_rename(source, target):
    if target.name == "a.parquet":
        stop()
    return rename(source, target)

if sys.argv[2] == "rename":
    Path.replace = stop_and_rename
one = ended(Home(Path(sys.argv[1])), 1, stop if sys.argv[2] == "make" else int)
print(one.how, one.why)
"""
"""Makes a partition, and stops itself while it makes the rows, or when its file, whole and durable,
is all but renamed."""


def stage_of(number: int, on_the_way=int) -> Stage:
    frame = pl.DataFrame({"number": [number]})

    def make(work: Work) -> Made:
        on_the_way()
        return Made(frame)

    return Stage(ASSET, "batch", (), frame.schema, {"version": number}, make)


def ended(home: Home, number: int, on_the_way=int, waits: bool = False) -> Ended:
    stage = stage_of(number, on_the_way)
    making = Making(home, stage, force=False, tell=print if waits else pytest.fail)
    return making.ended("a", lambda recipe: work_alone(stage, home, "a"))


@pytest.fixture(params=["sqlite", "postgres"])
def shared(
    request: pytest.FixtureRequest, home: Home, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """A home whose database is of either kind."""
    if request.param == "sqlite":
        yield home
    elif postgres.PROGRAMS is None:
        pytest.skip(postgres.ABSENT)
    else:
        with postgres.server() as socket:
            monkeypatch.setenv("SRFT_DATABASE", postgres.new_database(socket))
            yield home


def stopped(home: Home, moment: str) -> subprocess.Popen[str]:
    """A process that stopped itself as it made the partition, and is cut off: it holds neither the
    lock nor a session any more."""
    command = [sys.executable, "-c", MAKER, str(home.root), moment]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    # What a file server does with the lock of a host that is cut off: the next one finds it free.
    (lock,) = (home.warehouse / "_locks").glob("*.lock")
    lock.unlink()
    database = database_of(home)
    if database.file is None:
        with database.read() as connection:
            theirs = "datname = current_database() AND pid <> pg_backend_pid()"
            end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}"
            connection.execute(sa.text(end))
    return process


def goes_on(process: subprocess.Popen[str]) -> str:
    os.kill(process.pid, signal.SIGCONT)
    return process.communicate(timeout=60)[0]


def made(home: Home) -> tuple[list[int], Stamp]:
    warehouse = Warehouse(home.warehouse)
    stamp = warehouse.stamp(ASSET, "a")
    assert stamp is not None
    rows = warehouse.read(ASSET, "a", version=stamp.data_version)
    return rows["number"].to_list(), stamp


@pytest.mark.parametrize("moment", ["make", "rename"])
def test_who_comes_back_late_leaves_what_was_made_meanwhile(shared: Home, moment: str) -> None:
    late = stopped(shared, moment)
    assert ended(shared, 2).how == "made"
    rows, stamp = made(shared)
    assert (rows, stamp.turn) == ([2], 2)
    told = goes_on(late)
    assert told.startswith(f"failed {ASSET}/a: while this host was away another one began to make")
    assert made(shared) == (rows, stamp)
    assert list(shared.warehouse.rglob("*.tmp")) == []


def test_who_was_away_and_is_alone_comes_to_its_end(shared: Home) -> None:
    assert goes_on(stopped(shared, "rename")) == "made \n"
    assert made(shared)[1].turn == 1


def test_a_turn_that_ends_before_a_later_one_writes_is_overwritten(home: Home) -> None:
    def the_late_one_goes_on() -> None:
        assert goes_on(late) == "made \n"

    late = stopped(home, "rename")
    assert ended(home, 2, the_late_one_goes_on).how == "made"
    assert made(home)[0] == [2]


def test_the_turns_of_a_partition_are_its_own(home: Home) -> None:
    assert [next_turn(home, ASSET, name).number for name in ("a", "a", "b")] == [1, 2, 1]
    assert sorted(database_of(home).rows(TURNS, [f"{ASSET}/a", f"{ASSET}/b"])) == [
        (f"{ASSET}/a", 2),
        (f"{ASSET}/b", 1),
    ]


def test_what_is_in_sync_takes_no_turn(home: Home) -> None:
    assert [ended(home, 1).how for _ in range(2)] == ["made", "kept"]
    assert made(home)[1].turn == 1
