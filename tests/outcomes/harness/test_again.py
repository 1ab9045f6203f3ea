"""What is graded again, and what never is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.harness.main import LABEL
from srft_assets.outcomes.harness.run import (
    HarnessJob,
    Prediction,
    harness_root,
    run_folder,
    run_id_of,
    write_inputs,
)
from srft_assets.outcomes.task import TaskInstance
from tests.outcomes.harness.conftest import Grade
from tests.outcomes.harness.project import COMMAND, GOLD, WRONG, row, write_dataset

TASK = "demo__adder-1"
SECONDS = 120


def task(**more: Any) -> TaskInstance:
    return TaskInstance.model_validate(row(TASK, **more))


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


class TestRunIds:
    @pytest.mark.parametrize(
        "settings", [{"timeout": 5}, {"network": True}, {"sys_admin": True}, {"memory_gb": 1}]
    )
    def test_settings_that_can_change_a_result_change_it(self, settings: dict[str, Any]) -> None:
        usual = run_id_of(task(), GOLD, Grading())
        assert run_id_of(task(), GOLD, Grading(**settings)) != usual

    def test_so_do_the_patch_and_the_row(self) -> None:
        ids = {
            run_id_of(task(), GOLD, Grading()),
            run_id_of(task(), GOLD + "\n", Grading()),
            run_id_of(task(command="true"), GOLD, Grading()),
            run_id_of(task(image="other:1"), GOLD, Grading()),
        }
        assert len(ids) == 4

    def test_workers_and_places_do_not(self) -> None:
        usual = run_id_of(task(), GOLD, Grading())
        assert run_id_of(task(), GOLD, Grading(workers=9, dataset="elsewhere")) == usual


def test_new_predictions_are_graded_and_old_ones_are_not(
    daemon: str, home: Home, tmp_path: Path, graded: Grade
) -> None:
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK), row("demo__adder-2"))
    first = graded(dataset, {"one": (TASK, WRONG), "two": ("demo__adder-2", GOLD)})
    logs = {name: Path(each["log"]) / "run_instance.log" for name, each in first.items()}
    before = {name: log.stat().st_mtime_ns for name, log in logs.items()}

    second = graded(dataset, {"one": (TASK, GOLD), "two": ("demo__adder-2", GOLD)})
    assert first["one"]["status"] == "unresolved"
    assert second["one"]["status"] == "resolved"
    assert second["one"]["log"] != first["one"]["log"]
    assert second["two"]["log"] == first["two"]["log"]
    assert logs["two"].stat().st_mtime_ns == before["two"]


class Started:
    """The harness's process as the platform starts it, with two tasks: one quick, one slow."""

    def __init__(self, home: Home, tmp_path: Path) -> None:
        self.root = harness_root(home)
        grading = Grading(grader="swebench", timeout=SECONDS, workers=1)
        slow = row("demo__slow-1", command=f"sleep 12; {COMMAND}")
        self.predictions = []
        for each in (row(TASK), slow):
            instance = TaskInstance.model_validate(each)
            run_id = run_id_of(instance, GOLD, grading)
            one = Prediction(run_id=run_id, instance_id=instance.instance_id, patch=GOLD)
            write_inputs(self.root, one, instance)
            self.predictions.append(one)
        job = HarnessJob(
            root=self.root, label="test", predictions=self.predictions, grading=grading
        )
        self.told = tmp_path / "job.json"
        self.told.write_text(job.model_dump_json())
        self.quick, self.slow = (run_folder(self.root, one.run_id) for one in self.predictions)

    def argv(self) -> list[str]:
        return [sys.executable, "-m", "srft_assets.outcomes.harness.main", str(self.told)]

    def at_the_slow_one(self) -> bool:
        log = self.slow / "srft" / "demo__slow-1" / "eval.sh"
        return (self.quick / "attempts.json").exists() and log.exists()

    def statuses(self) -> list[str]:
        files = [folder / "attempts.json" for folder in (self.quick, self.slow)]
        return [orjson.loads(file.read_bytes())["attempts"][-1]["status"] for file in files]


def test_after_a_kill_finished_instances_are_not_run_again(
    daemon: str, home: Home, tmp_path: Path
) -> None:
    started = Started(home, tmp_path)
    with subprocess.Popen(started.argv()) as process:
        wait_for(started.at_the_slow_one)
        process.send_signal(signal.SIGKILL)
    finished = (started.quick / "attempts.json").stat().st_mtime_ns
    assert not (started.slow / "attempts.json").exists()

    subprocess.run(started.argv(), check=True, timeout=SECONDS)
    assert started.statuses() == ["resolved", "resolved"]
    assert (started.quick / "attempts.json").stat().st_mtime_ns == finished


def test_when_the_platform_is_killed_the_containers_go_with_it(
    home: Home, client: Any, tmp_path: Path
) -> None:
    started = Started(home, tmp_path)
    parent = f"import subprocess; subprocess.run({started.argv()!r})"
    with subprocess.Popen([sys.executable, "-c", parent], start_new_session=True) as process:
        wait_for(started.at_the_slow_one)
        assert ours(client)
        os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not ours(client))


def ours(client: Any) -> list[Any]:
    return client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL})
