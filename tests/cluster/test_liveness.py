"""A run is alive as long as its lock is held, whichever host it is on, and no longer."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from srft_assets.components.run_repair import LOCK_TAG
from srft_assets.home import Home
from srft_assets.processes.locks import partition_turn
from tests import postgres
from tests.cluster.hosts import Host, needs_namespaces
from tests.trajectories.ingest_support import run_of, write_lines

pytestmark = [pytest.mark.cluster, needs_namespaces]
VERDICTS = "step_verdicts/rules"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What states the database of both hosts."""
    if request.param == "sqlite":
        if request.node.callspec.params["hosts"] == "glusterfs":
            pytest.skip("SQLite is for one machine's disk: srft doctor --shared refuses it here")
        yield {}
    elif postgres.PROGRAMS is None:
        pytest.skip(postgres.ABSENT)
    else:
        with postgres.server() as socket:
            yield {"SRFT_DATABASE": postgres.new_database(socket)}


def of_commands(home: Home) -> dict[str, dg.DagsterRunStatus]:
    """Status of the runs that hold a lock, by its name."""
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        return {run.tags[LOCK_TAG]: run.status for run in instance.get_runs()}


def test_another_hosts_living_run_is_left_alone_and_its_dead_one_is_closed(
    hosts: tuple[Host, Host],
    database: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in database.items():
        monkeypatch.setenv(name, value)
    a, b = hosts
    home = Home(a.folder)
    for batch in ("one", "two"):
        path = write_lines(tmp_path / f"{batch}.jsonl", [run_of(f"{batch}-{n}") for n in range(3)])
        a.srft("ingest", str(path), **database)
    with partition_turn(home, VERDICTS, "one", pytest.fail):
        running = a.start("apply", VERDICTS, "--batch", "one", **database)
        (lock,) = open_lock(home)
        b.srft("apply", VERDICTS, "--batch", "two", **database)
        assert of_commands(home)[lock] is dg.DagsterRunStatus.STARTED
        running.kill()
        running.communicate()
        b.srft("apply", VERDICTS, "--batch", "two", **database)
        assert of_commands(home)[lock] is dg.DagsterRunStatus.FAILURE
    b.srft("apply", VERDICTS, **database)
    assert set(of_commands(home).values()) == {
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.SUCCESS,
    }
    made = "SELECT partition FROM partitions WHERE asset = 'step_verdicts/rules' ORDER BY ALL"
    for host in hosts:  # each sees the partitions by the views of its own mount
        assert [*host.srft("sql", "--format", "csv", made, **database).split()][-2:] == [
            "one",
            "two",
        ]
        assert "in sync" in host.srft("plan", VERDICTS, **database)
    assert not list(home.warehouse.rglob("*.tmp"))


def open_lock(home: Home) -> list[str]:
    """The lock of the run that has started."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        started = [
            name
            for name, status in of_commands(home).items()
            if status is dg.DagsterRunStatus.STARTED
        ]
        if started:
            return started
        time.sleep(0.2)
    raise AssertionError("no run has started")
