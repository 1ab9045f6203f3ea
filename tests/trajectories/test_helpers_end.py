"""When the processes that read along are started, and that they end, with all that they left."""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from srft_assets.home import Home
from srft_assets.trajectories import helpers
from srft_assets.trajectories.helper import Helper, HelperError
from srft_assets.trajectories.ingest import ingest
from tests.trajectories.ingest_support import make, wait_for, write_runs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def large(monkeypatch):
    """Any batch is large enough for one helper."""
    helpers.end_helpers()
    monkeypatch.setattr(helpers, "LARGE_BYTES", 0)
    monkeypatch.setattr(helpers, "_cores", lambda: 2)
    yield
    helpers.end_helpers()


def started(tmp_path: Path, then: str) -> subprocess.Popen[str]:
    """A process with a helper, which prints the helper's id and its folder, and then does this."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import time
from functools import partial
from srft_assets.trajectories import helpers
helpers.LARGE_BYTES, helpers.IDLE_SECONDS = 0, 600.0
helpers._cores = lambda: 2
while helpers.helpers_for(1) is None:
    time.sleep(0.05)
there = helpers.ready()
(there.folder / "part").write_text("rows")
print(there.all[0].process.pid, there.folder, flush=True)
{then}
""")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_they_end_with_a_first_that_is_killed_and_leave_nothing(tmp_path):
    with started(tmp_path, "time.sleep(60)") as first:
        assert first.stdout is not None
        worker, folder = first.stdout.readline().split(maxsplit=1)
        second = psutil.Process(int(worker))
        first.kill()
    second.wait(timeout=30)
    assert not Path(folder.strip()).exists()


@pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt"])
def test_a_first_that_ends_waits_for_nothing_it_has_asked(tmp_path, end):
    asked = "asked = [there.submit(partial(time.sleep, 60)) for _ in range(9)]"
    with started(tmp_path, f"{asked}\n{end}") as first:
        said, _ = first.communicate(timeout=45)
    worker, folder = said.split(maxsplit=1)
    assert not psutil.pid_exists(int(worker))
    assert not Path(folder.strip()).exists()


def test_they_end_when_nobody_asks_for_a_while(large, monkeypatch):
    wait_for(lambda: helpers.helpers_for(1) is not None)
    there = helpers.ready()
    (second,) = there.all
    monkeypatch.setattr(helpers, "IDLE_SECONDS", 0.01)
    helpers.ready()
    wait_for(lambda: not second.alive)
    wait_for(lambda: helpers.ready() is None)
    assert not there.folder.exists()


def test_they_do_not_end_while_they_have_work(large, monkeypatch):
    wait_for(lambda: helpers.helpers_for(1) is not None)
    monkeypatch.setattr(helpers, "IDLE_SECONDS", 0.01)
    there = helpers.ready()
    asked = [there.submit(partial(time.sleep, 0.2)) for _ in range(3)]
    helpers.ready()
    assert [one.result(60) for one in asked] == [None] * 3
    wait_for(lambda: helpers.ready() is None)


def test_where_there_is_no_room_for_them_one_process_reads(large, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    assert [helpers.helpers_for(1) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize(("several", "there"), [(1_000, True), (1 << 30, False)])
def test_they_are_started_where_much_is_registered(tmp_path, large, monkeypatch, several, there):
    monkeypatch.setattr(helpers, "SEVERAL_BYTES", several)
    runs = write_runs(tmp_path / "runs", [f"task-{n}" for n in range(9)])
    ingest(Home(tmp_path / "home"), [runs], batch="b")
    assert (helpers._state.helpers is not None) == there


def test_they_are_started_for_the_second_batch_that_is_made(tmp_path, large, monkeypatch):
    monkeypatch.setattr("srft_assets.trajectories.sources.CLOCK_TICK_NS", 0)
    home = Home(tmp_path / "home")
    runs = write_runs(tmp_path / "runs", [f"task-{n}" for n in range(9)])
    there = []
    for batch in ingest(home, [runs], batch="b", batch_size=3).batches:
        make(home, batch)
        there.append(helpers._state.helpers is not None)
    assert there == [False, True, True]


def test_a_call_to_one_that_was_killed_says_so(tmp_path):
    helper = Helper(tmp_path)
    helper.end()
    with pytest.raises(HelperError, match="a helping process ended"):
        helper.call(os.getpid)
