"""A batch graded by the harness from the Dagster UI, with a failure of the machine on the way."""

import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading, write_grading
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from tests.outcomes.harness.conftest import write_runs
from tests.outcomes.harness.project import GOLD, IMAGE, WRONG, row, write_dataset
from tests.ui.dev import Project

STARTS = 2
ASSET = "test_outcomes"
LOOK_SECONDS = 900


def deliver(home: Home, client: Any, image: str) -> None:
    """Bring the image once the harness has failed for want of it."""
    logs = home.artifacts / "grading" / "logs" / "run_evaluation"
    until = time.monotonic() + LOOK_SECONDS
    while not list(logs.glob("*/attempt-1")) and time.monotonic() < until:
        time.sleep(0.1)
    client.images.get(IMAGE).tag(image)


def test_materialize_grades_and_tries_again_what_the_machine_failed_at(
    home: Home, daemon: str, client: Any, tmp_path: Path
) -> None:
    late = f"localhost:1/srft-test-late:{uuid.uuid4().hex[:8]}"
    dataset = write_dataset(
        tmp_path / "rows.jsonl", row("demo__adder-1"), row("demo__late-1", image=late)
    )
    patches = {
        "gold": ("demo__adder-1", GOLD),
        "wrong": ("demo__adder-1", WRONG),
        "late": ("demo__late-1", GOLD),
    }
    ingest(home, [write_runs(tmp_path / "runs", patches)], batch="batch")
    grading = Grading(grader="swebench", dataset=str(dataset), timeout=60, attempts=6)
    write_grading(home, "batch", grading)

    project = Project(tmp_path / "project", home, {"DOCKER_HOST": daemon})
    project.copy()
    for _ in range(STARTS):
        if dev := project.dev(tmp_path / "dev.log"):
            break
    else:
        pytest.fail(f"no UI:\n{(tmp_path / 'dev.log').read_text()[-4000:]}")
    threading.Thread(target=deliver, args=(home, client, late), daemon=True).start()
    try:
        browser = dev.browser
        browser.add_partition("batch")
        backfill = browser.materialize_all(["trajectories", ASSET], ["batch"])
        assert browser.wait_for_backfill(backfill, LOOK_SECONDS) == "COMPLETED_SUCCESS"
        shown = browser.partition(ASSET, "batch")
    finally:
        dev.stop()
        if client.images.list(late):
            client.images.remove(late)

    frame = Warehouse(home.warehouse).read(ASSET, "batch")
    by_task = {task: set(frame.filter(instance_id=task)["status"]) for task in frame["instance_id"]}
    assert by_task == {"demo__adder-1": {"resolved", "unresolved"}, "demo__late-1": {"resolved"}}
    (told,) = frame.filter(instance_id="demo__late-1")["reason"]
    assert "the first failed" in told and "srft-test-late" in told
    assert "| run | status | reason | folder |" in shown["logs"]
    for log in frame["log"]:
        assert Path(log).is_dir() and Path(log).name in shown["logs"].replace("\\", "")
