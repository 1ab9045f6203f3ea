"""Rows and daemons that the harness is kept from."""

import json
import os
from pathlib import Path
from typing import Any

import docker
import pytest

from srft_assets.outcomes.harness.main import remove_left
from srft_assets.outcomes.harness.run import (
    Prediction,
    log_folder,
    read_result,
    report_path,
    ungradable,
)
from srft_assets.outcomes.task import TaskInstance
from tests.outcomes.harness.project import row

TASK = "demo__adder-1"


def why_not(assets: Any) -> str:
    return ungradable(TaskInstance.model_validate(row(TASK, image_assets=assets)))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "FILE:/etc/passwd", "http://10.0.0.1/x", 7])
@pytest.mark.parametrize("written", [json.dumps, dict])
def test_a_row_cannot_name_files_of_this_machine_as_its_images(url: Any, written: Any) -> None:
    """The harness opens the address here, and copies what it finds into the container."""
    told = why_not(written({"patch": [{"path": "a.png", "url": url}]}))
    assert told.startswith("its image_assets name") and "https://" in told


@pytest.mark.parametrize("assets", ["{", "[1]", 5, {"patch": {"path": "x"}}, {"patch": ["x"]}])
def test_images_that_cannot_be_understood_are_told(assets: Any) -> None:
    assert "image_assets" in why_not(assets)


@pytest.mark.parametrize(
    "assets",
    [None, "", "{}", {"patch": [{"path": "a/b.png", "url": "https://example.org/b.png"}]}],
)
def test_images_of_the_web_are_taken(assets: Any) -> None:
    assert why_not(assets) == ""


def test_containers_of_a_daemon_that_is_gone_hold_no_process_up(tmp_path: Path) -> None:
    """What ends the harness's process asks this first, in a signal handler."""
    client = docker.DockerClient(base_url=f"unix://{tmp_path}/none.sock", version="1.41")
    remove_left(client, "nobody")


def test_of_a_log_without_end_only_both_ends_are_read(tmp_path: Path) -> None:
    prediction = Prediction(run_id="srft-1", instance_id=TASK, patch="x")
    folder = log_folder(tmp_path, prediction)
    folder.mkdir(parents=True)
    log = folder / "run_instance.log"
    log.write_text("begins\n")
    os.truncate(log, 2**40)
    with log.open("a") as file:
        file.write("\nDockerError: no space left\n")
    assert not report_path(tmp_path, "srft-1").exists()
    assert read_result(tmp_path, prediction).outcome.reason == "no space left"
