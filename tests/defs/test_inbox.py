"""What is put into the inbox becomes batches, by itself."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from srft_assets.components.asset import stages_in
from srft_assets.components.platform import Platform
from srft_assets.defs.sensors import inbox, quiet
from srft_assets.files import remove_tree
from srft_assets.home import Home
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.partitions import Warehouse
from tests.outcomes.conftest import make
from tests.trajectories.ingest_support import run_of, write_lines, write_runs

Tick = Callable[[], dg.SensorResult]


@pytest.fixture
def tick(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition) -> Tick:
    """Evaluate the sensor once, and do to the instance what the daemon does."""

    def once() -> dg.SensorResult:
        with dg.build_sensor_context(
            instance, repository_def=repository, resources={"platform": Platform()}
        ) as context:
            result = inbox(context)
        for request in result.dynamic_partitions_requests or []:
            instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        return result

    return once


@pytest.fixture
def run(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition):
    """Carry out a run request."""

    def execute(request: dg.RunRequest) -> None:
        job = repository.get_job("ingest_runs")
        done = job.execute_in_process(
            partition_key=request.partition_key, tags=request.tags, instance=instance
        )
        assert done.success

    return execute


@pytest.fixture
def done(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition):
    """Carry out a run request under its run key, as the daemon does."""

    def execute(request: dg.RunRequest) -> None:
        job = repository.get_job("ingest_runs")
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        key = request.partition_key
        assert job.execute_in_process(partition_key=key, tags=tags, instance=instance).success

    return execute


def put(path: Path, seconds: float = 60) -> Path:
    """Let a file or folder look as if nothing had touched it for so long."""
    then = time.time() - seconds
    for file in [path, *path.rglob("*")]:
        os.utime(file, (then, then))
    return path


def keys(result: dg.SensorResult) -> dict[str, str]:
    """Run key by batch."""
    return {str(r.partition_key): str(r.run_key) for r in result.run_requests or []}


def runs_in(home: Home, batch: str) -> int:
    return Warehouse(home.warehouse).read("trajectories", batch).height


def test_an_empty_inbox_is_made_and_named(tick: Tick, home: Home):
    result = tick()
    assert not result.run_requests
    assert str(home.inbox) in str(result.skip_reason)
    assert home.inbox.is_dir()


def test_a_file_becomes_a_batch_a_partition_and_a_run(tick, run, home, instance):
    put(write_lines(home.inbox / "night shift.jsonl", [run_of("a"), run_of("b")]))
    result = tick()
    assert batch_names(home) == ["night-shift"] == list(keys(result))
    assert instance.get_dynamic_partitions("batch") == ["night-shift"]
    run(result.run_requests[0])
    assert runs_in(home, "night-shift") == 2
    assert Warehouse(home.warehouse).read("test_outcomes", "night-shift").height == 2


def test_a_folder_of_real_runs_becomes_a_batch(tick, run, home, shared):
    shutil.copytree(shared / "trajectories" / "openhands-v0.15", home.inbox / "openhands")
    put(home.inbox / "openhands")
    run(tick().run_requests[0])
    outcomes = Warehouse(home.warehouse).read("test_outcomes", "openhands")
    assert outcomes.height == 25
    assert (outcomes["status"] == "resolved").sum() == 11


def test_a_file_that_is_still_being_written_waits(tick, home):
    path = put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]), seconds=2)
    assert keys(tick()) == {}
    assert batch_names(home) == []
    put(path)
    assert list(keys(tick())) == ["runs"]


def test_a_folder_waits_for_the_last_of_its_files(tick, home):
    folder = put(write_runs(home.inbox / "runs", ["a", "b"]))
    put(folder / "b.json", seconds=2)
    assert keys(tick()) == {}


def test_a_file_that_vanishes_while_it_is_looked_at_waits(tmp_path):
    assert not quiet(tmp_path / "renamed.tmp")


def test_the_same_file_is_asked_for_under_the_same_key_until_it_is_there(tick, run, home):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    first = tick()
    assert keys(tick()) == keys(first) != {}
    run(first.run_requests[0])
    assert keys(tick()) == {}


def test_partitions_that_are_lost_are_asked_for_under_a_key_that_dagster_does_not_know(
    tick, done, home
):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    seen = []
    for _ in range(3):
        result = tick()
        seen.append(keys(result)["runs"])
        done(result.run_requests[0])
        assert keys(tick()) == {}
        for asset in ("trajectories", "test_outcomes"):
            (home.warehouse / asset / "runs.parquet").unlink()
    assert len(set(seen)) == 3


def test_a_run_that_failed_is_named_and_tried_again_when_something_changes(
    tick, launched, home, instance
):
    path = put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    failed = launched(tick().run_requests[0])
    instance.report_run_failed(failed)
    again = tick()
    assert keys(again) == {}
    assert f"run {failed.run_id[:8]} of it failed" in again.skip_reason.skip_message
    assert f"srft ingest {path}" in again.skip_reason.skip_message
    put(write_lines(path, [run_of("a"), run_of("b")]))
    assert list(keys(tick())) == ["runs"]


def test_a_run_that_was_asked_for_and_never_started_is_asked_for_again(
    tick, launched, home, monkeypatch
):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    first = tick()
    launched(first.run_requests[0], dg.DagsterRunStatus.NOT_STARTED)
    assert "runs is being read" in tick().skip_reason.skip_message
    monkeypatch.setattr("srft_assets.components.run_repair.START_SECONDS", -1.0)
    assert keys(tick()) == keys(first)


def test_a_tick_that_asks_for_nothing_says_why(tick, home):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]), seconds=2)
    assert tick().skip_reason.skip_message == "runs.jsonl changed less than 10 s ago: it waits"


def test_a_changed_file_is_asked_for_again_and_so_is_the_old_one_put_back(tick, run, home):
    path = home.inbox / "runs.jsonl"
    seen = []
    for names in (["a"], ["a", "b"], ["a"], ["a", "b"]):
        put(write_lines(path, [run_of(name) for name in names]))
        result = tick()
        run(result.run_requests[0])
        assert runs_in(home, "runs") == len(names)
        seen.append(keys(result)["runs"])
    assert len(set(seen)) == 4


def test_only_what_changed_is_asked_for(tick, run, home):
    for name in ("one", "two"):
        put(write_lines(home.inbox / f"{name}.jsonl", [run_of(name)]))
    for request in tick().run_requests:
        run(request)
    put(write_lines(home.inbox / "two.jsonl", [run_of("two"), run_of("three")]))
    assert list(keys(tick())) == ["two"]


def test_a_broken_file_does_not_stop_the_others(tick, run, home):
    home.inbox.mkdir(parents=True)
    (home.inbox / "a-torn.json").write_text('{"messages": [')
    (home.inbox / "b-bytes.jsonl").write_bytes(b"\xff\xfe\x00\x01")
    (home.inbox / "c-no-run.json").write_text(json.dumps({"weather": "rain"}))
    (home.inbox / "d-dangling").symlink_to(home.inbox / "nowhere")
    write_lines(home.inbox / "good.jsonl", [run_of("a")])
    for path in home.inbox.iterdir():
        if not path.is_symlink():
            put(path)
    os.utime(home.inbox / "d-dangling", (0, 0), follow_symlinks=False)
    for request in tick().run_requests:
        run(request)
    assert runs_in(home, "good") == 1
    idle = tick()
    assert keys(idle) == {}
    assert "a-torn.json holds no runs (a-torn.json: truncated JSON" in idle.skip_reason.skip_message
    assert not Warehouse(home.warehouse).stamp("trajectories", "a-torn")


def test_a_name_that_is_taken_is_told_and_does_not_stop_the_others(tick, home, instance, caplog):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    put(write_runs(home.inbox / "runs", ["b"]))
    put(write_lines(home.inbox / "zoo.jsonl", [run_of("c")]))
    assert list(keys(tick())) == ["runs", "zoo"]


def test_hidden_files_are_left_alone(tick, home):
    put(write_lines(home.inbox / ".runs.jsonl.part", [run_of("a")]))
    assert keys(tick()) == {}


@pytest.fixture
def launched(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition):
    """Put a requested run into the instance as the daemon does, going on."""

    def launch(
        request: dg.RunRequest, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED
    ) -> dg.DagsterRun:
        return instance.create_run_for_job(
            repository.get_job("ingest_runs"),
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            status=status,
        )

    return launch


def test_a_run_that_is_half_way_is_not_asked_for_again(tick, launched, home, loaded, instance):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    run = launched(tick().run_requests[0])
    make(home, stages_in(loaded)["trajectories"], "runs")
    assert keys(tick()) == {}
    instance.report_run_failed(run)
    assert list(keys(tick())) == ["runs"]


def test_a_file_that_changes_under_its_run_is_asked_for(tick, launched, home):
    path = put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    launched(tick().run_requests[0])
    put(write_lines(path, [run_of("a"), run_of("b")]))
    assert list(keys(tick())) == ["runs"]


def test_a_file_of_a_clock_that_is_ahead_is_read(tick, home, monkeypatch):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]), seconds=-86400)
    assert keys(tick()) == {}, "it came just now, by our clock"
    now = time.time()
    monkeypatch.setattr("srft_assets.defs.sensors.clock_of", lambda folder: now - 7200)
    assert list(keys(tick())) == ["runs"], "no clock says that it is being written"


def test_folders_that_are_deep_or_links_do_not_stop_the_others(tick, home, tmp_path):
    folder, here = home.inbox / "deep", os.open(".", os.O_RDONLY)
    put(write_runs(folder, ["a"]))
    os.chdir(folder)
    try:
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.fchdir(here)
        os.close(here)
    (home.inbox / "link").symlink_to(tmp_path)
    put(write_lines(home.inbox / "zoo.jsonl", [run_of("c")]))
    now = time.time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("srft_assets.defs.sensors.clock_of", lambda folder: now + 60)
        result = tick()
        assert list(keys(result)) == ["deep", "zoo"]
    remove_tree(folder)
    (home.inbox / "zoo.jsonl").unlink()
    assert "link is a link to a folder, not followed" in tick().skip_reason.skip_message
