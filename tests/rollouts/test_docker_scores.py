"""`eval_scores/<arm>` of tasks in images of their own, graded by the SWE-bench harness, from the
Dagster UI; skipped where no Docker daemon can be had.

The first run is killed while the second task is played. In the second one, that task's container
goes away, and it is killed while the second patch is graded. The third one ends.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from srft_assets.agent.protocol import SUBMIT_MARK, turn
from srft_assets.home import Home
from srft_assets.outcomes.harness.main import LABEL as GRADING
from srft_assets.rollouts.images import LABEL as PLAYING
from srft_assets.rollouts.images import left_by, owner_of, remove
from srft_assets.warehouse.partitions import Warehouse
from tests.outcomes.harness.conftest import client, daemon
from tests.outcomes.harness.project import (
    COMMAND,
    GOLD,
    IMAGE,
    WRONG,
    build_image,
    row,
    write_dataset,
)
from tests.rollouts.chat_server import Said, serving
from tests.ui.browser import Browser
from tests.ui.dev import Project, opened, until

__all__ = ["client", "daemon"]

pytestmark = pytest.mark.timeout(1500)
"""The first test may install Docker and make an image."""
SUBMIT = f"git diff > /tmp/p; echo {SUBMIT_MARK} && cat /tmp/p"
MENDED, FAILED = "demo__adder-1", "demo__adder-2"
PATCHES = {MENDED: GOLD, FAILED: WRONG}
OTHER = "srft-test-adder-2:1"
SLOWLY = f"sleep 5; {COMMAND}"
ASSETS, SEED = ["checkpoints/mine", "eval_scores/mine"], "0"


class Agent(Said):
    """Submits of each task the patch that is its own."""

    def questions(self, name: str) -> int:
        """How many were asked about a task."""
        return sum(task_of(body) == name for body in self.asked)

    def answer(self, body):
        name = task_of(body)
        self.replies = [
            turn("Edit.", f"git apply - <<'EOF'\n{PATCHES[name]}EOF"),
            turn("Done.", SUBMIT),
        ]
        return super().answer(body)


def task_of(body: dict[str, Any]) -> str:
    """The task that a request is about."""
    [name] = [name for name in PATCHES if f"add is wrong: {name}" in json.dumps(body["messages"])]
    return name


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """Serves the checkpoint, and keeps what it was asked."""
    monkeypatch.setattr("tests.rollouts.chat_server.Said", Agent)
    with serving([], names=["mine/0"]) as server:
        yield server


@pytest.fixture
def project(home: Home, server: Agent, daemon: str, client: Any, tmp_path: Path) -> Project:
    """An arm that trains nothing, scored on two tasks in two images."""
    build_image(client, OTHER)
    told = {name: {"problem_statement": f"add is wrong: {name}"} for name in PATCHES}
    rows = [row(MENDED, **told[MENDED]), row(FAILED, image=OTHER, command=SLOWLY, **told[FAILED])]
    evaluation = {
        "tasks": str(write_dataset(tmp_path / "rows.jsonl", *rows)),
        "environment": "docker",
        "grader": "swebench",
        "temperature": 0,
        "agent": {"workers": 1},
        "serve": {"base_url": server.base_url},
        "grading": {"workers": 1, "timeout": 60, "attempts": 1},
    }
    environment = {"DOCKER_HOST": daemon, "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "1"}
    project = Project(tmp_path / "project", home, environment)
    project.copy()
    arm = project.root / "srft_assets" / "defs" / "arms" / "mine" / "defs.yaml"
    arm.parent.mkdir()
    attributes = {"training": {"method": "none"}, "evaluation": evaluation}
    stated = {"type": "srft_assets.components.arm.Arm", "attributes": attributes}
    arm.write_text(yaml.safe_dump(stated))
    project.srft("apply", "base_models/tiny")
    return project


@pytest.fixture
def browser(project: Project, tmp_path: Path) -> Iterator[Browser]:
    """The UI, opened."""
    dev = opened(project, tmp_path / "dev.log")
    yield dev.browser
    dev.stop()


def kill_worker(module: str, home: Home) -> None:
    """SIGKILL to the process of the Dagster run that had this module's process started."""
    [process] = [
        each
        for each in psutil.process_iter(["cmdline"])
        if (each.info["cmdline"] or [])[1:4] == ["-P", "-m", module]
        and each.info["cmdline"][-1].startswith(str(home.root))
    ]
    guard = process.parent()
    os.kill(guard.parent().pid, signal.SIGKILL)
    _, left = psutil.wait_procs([process, guard], timeout=30)
    assert left == [], f"{module} must end with the run that started it"


def created(client: Any, since: float, label: str) -> Counter[str]:
    """How many containers with the label were made of an image since then."""
    wanted = {"type": "container", "event": "create", "label": label}
    told = client.events(since=int(since), until=int(time.time()), decode=True, filters=wanted)
    return Counter(event["Actor"]["Attributes"]["image"] for event in told)


def test_killed_twice_and_a_container_lost_nothing_is_played_or_graded_twice(
    home: Home, server: Agent, client: Any, project: Project, browser: Browser
) -> None:
    began, goes_on = time.time(), threading.Event()
    server.heard = lambda: server.questions(FAILED) and goes_on.wait(60)
    browser.materialize(ASSETS, SEED)
    assert until(lambda: server.questions(FAILED)), "the second task was never played"
    kill_worker("srft_assets.rollouts.player", home)
    [played] = home.runs.glob(f"eval/mine/{SEED}/*/*/*.traj.json")
    assert played.name == f"{MENDED}.traj.json"
    owner = owner_of(home, str(played.parents[1].relative_to(home.runs)))

    server.heard = lambda: server.questions(FAILED) == 3 and remove(left_by(owner))
    goes_on.set()
    browser.materialize(ASSETS, SEED)
    grading = home.artifacts / "grading"
    # Dagster takes its time to see that a process died, and to free its place in the pool.
    assert until(lambda: list(grading.rglob("attempts.json")), 600), "no patch was graded"
    assert until(lambda: created(client, began, GRADING)[OTHER])
    kill_worker("srft_assets.outcomes.harness.main", home)
    kept = {path: path.stat().st_mtime_ns for path in (played, *grading.rglob("attempts.json"))}
    assert len(kept) == 2, "one run, and one grading"

    assert browser.wait_for(browser.materialize(ASSETS, SEED), 600) == "SUCCESS"
    scores = Warehouse(home.warehouse).read(ASSETS[1], SEED)
    assert dict(scores.select("instance_id", "status").rows()) == {
        MENDED: "resolved",
        FAILED: "unresolved",
    }
    assert scores["grader"].to_list() == ["swebench"] * 2 and not scores["approximate"].any()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept

    assert browser.wait_for(browser.materialize(ASSETS, SEED), 300) == "SUCCESS"
    # Two turns a run; of the second task one was killed, and one lost its container at its end.
    assert (server.questions(MENDED), server.questions(FAILED)) == (2, 1 + 2 + 2)
    assert created(client, began, PLAYING) == {IMAGE: 1, OTHER: 3}
    assert created(client, began, GRADING) == {IMAGE: 1, OTHER: 2}
    assert left_by(owner) == []
    assert client.containers.list(all=True, filters={"label": GRADING}) == []
