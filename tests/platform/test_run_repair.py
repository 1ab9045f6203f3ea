"""What killed commands left in Dagster: runs that stay open, and slots that stay taken."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest

from srft_assets.components import run_repair
from srft_assets.components.launch import open_instance
from srft_assets.components.run_repair import close_killed, locked_run, looked_after
from srft_assets.home import Home
from srft_assets.instance import locks_of_killed
from srft_assets.platform.planning import Wish, nothing_to_make

KILLED = """
import sys
from pathlib import Path
from srft_assets.components.run_repair import LOCK_TAG, locked_run
from srft_assets.home import Home
with locked_run(Home(Path(sys.argv[1]))) as tags:
    print(tags[LOCK_TAG], flush=True)
    input()
"""


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with open_instance(home) as instance:
        yield instance


@pytest.fixture
def killed(home: Home) -> dict[str, str]:
    """Tags of a run whose process was killed while it was open."""
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(home.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    name = child.stdout.readline().strip()
    assert locks_of_killed(home) == []
    child.send_signal(signal.SIGKILL)
    child.wait()
    return {"srft/by": "cli", run_repair.LOCK_TAG: name}


def started(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    @dg.job
    def some() -> None:
        pass

    return instance.create_run_for_job(some, tags=tags, status=dg.DagsterRunStatus.STARTED).run_id


def test_only_runs_of_killed_processes_are_closed(home, instance, killed):
    gone = started(instance, killed)
    with locked_run(home) as tags:
        mine = started(instance, tags)
        assert close_killed(instance, home) == 1
        assert instance.get_run_by_id(gone).status is dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(mine).status is dg.DagsterRunStatus.STARTED


def test_an_apply_with_nothing_to_make_loads_dagster_once_to_close_it(home, instance, killed):
    nothing = Wish([], [], [])
    assert nothing_to_make({}, home, nothing) is None
    close_killed(instance, home)
    assert nothing_to_make({}, home, nothing) is not None


def test_a_run_that_ended_leaves_no_lock(home, instance):
    with pytest.raises(KeyboardInterrupt), locked_run(home):
        raise KeyboardInterrupt
    assert locks_of_killed(home) == []


@dg.asset(pool="slow")
def slow() -> None:
    time.sleep(1.0)


def test_a_run_that_holds_its_slot_waits_for_nobody(home, instance, monkeypatch):
    monkeypatch.setattr(run_repair, "LOOK_SECONDS", 0.05)
    told: list[str] = []
    with locked_run(home) as tags, looked_after(instance, home, tags, told.append):
        assert dg.materialize([slow], instance=instance, tags=tags).success
    assert told == []


def test_a_run_that_waits_is_told_for_whom(home, instance, monkeypatch):
    monkeypatch.setattr(run_repair, "LOOK_SECONDS", 0.05)
    held = dg.DagsterRun(job_name="held", run_id="11111111-1111-1111-1111-111111111111")
    instance.add_run(held)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("slow", 1)
    storage.claim_concurrency_slot("slow", held.run_id, "step")
    told: list[str] = []

    def tell(note: str) -> None:
        told.append(note)
        storage.free_concurrency_slots_for_run(held.run_id)

    with locked_run(home) as tags, looked_after(instance, home, tags, tell):
        assert dg.materialize([slow], instance=instance, tags=tags).success
    assert told == ["waits for run 11111111, which holds the pool slow"]
