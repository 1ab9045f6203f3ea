"""Fixtures for grading with the real harness against a real daemon."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading, write_grading
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.processes.launch import launch
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Made, Stage
from tests.outcomes.harness.docker_daemon import NoDaemonError, docker_daemon
from tests.outcomes.harness.project import build_image
from tests.outcomes.stage_support import write_run

QUICK = {"timeout": 60, "attempts": 1}
FIRST_TIME_SECONDS = 1500
"""The first test may install Docker and make an image."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder, and of no other, the time that the daemon takes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(FIRST_TIME_SECONDS))


@pytest.fixture(scope="session")
def daemon() -> Iterator[str]:
    """DOCKER_HOST of a daemon with the task's image; skips where none can be had."""
    patch = pytest.MonkeyPatch()
    try:
        with docker_daemon() as host:
            patch.setenv("DOCKER_HOST", host)
            client = docker.from_env(timeout=300)
            build_image(client)
            client.close()
            yield host
    except NoDaemonError as error:
        pytest.skip(str(error))
    finally:
        patch.undo()


@pytest.fixture
def client(daemon: str) -> Iterator[Any]:
    """A client of the daemon."""
    client = docker.from_env()
    yield client
    client.close()


def make(home: Home, stage: Stage, batch: str) -> Made:
    """Make one partition as the engine does, with real subprocesses."""

    def in_subprocess(argv, env, prefix):
        launch(argv, env, on_line=lambda line: None)

    work = work_alone(stage, home, batch, run_id="test", launch=in_subprocess)
    made, _ = make_partition(stage, work)
    return made


def write_runs(folder: Path, patches: dict[str, tuple[str, str | None]]) -> Path:
    """Runs by name: (instance id, submission)."""
    for name, (instance, patch) in patches.items():
        write_run(folder, name, instance, patch)
    return folder


Grade = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def graded(home: Home, tmp_path: Path) -> Grade:
    """Ingest runs and grade them: run's name → row of `test_outcomes`."""

    def run(
        dataset: Path, patches: dict[str, tuple[str, str | None]], **settings: Any
    ) -> dict[str, dict[str, Any]]:
        ingest(home, [write_runs(tmp_path / "runs", patches)], batch="batch")
        make(home, trajectories_stage(), "batch")
        stated = {**QUICK, "grader": "swebench", "dataset": str(dataset), **settings}
        write_grading(home, "batch", Grading.model_validate(stated))
        rows = make(home, test_outcomes_stage(), "batch").frame.rows(named=True)
        return named(home, rows)

    return run


def named(home: Home, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows of `test_outcomes` by the name of the run's file."""
    runs = Warehouse(home.warehouse).read(
        "trajectories", "batch", columns=["trajectory_id", "source"]
    )
    names = {key: Path(source).name.removesuffix(".traj.json") for key, source in runs.rows()}
    return {names[each["trajectory_id"]]: each for each in rows}
