"""A platform on which everything was made once; each scenario gets a copy."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.serving import URL
from tests.chain.conftest import tokenizer_with, with_base_model
from tests.critic.server import Server, serving
from tests.specs.project import Project
from tests.trajectories.ingest_support import run_of, write_lines

__all__ = ["tokenizer_with", "with_base_model"]

BATCHES = {
    "a": [("a-good", 2, True), ("a-bad", 3, False), ("a-worse", 5, False)],
    "b": [("b-good", 3, True), ("b-bad", 4, False)],
}
"""Runs by batch: name, steps, whether resolved. Critics judge the three that failed."""


def write_batch(project: Project, name: str, runs: list[tuple[str, int, bool]]) -> None:
    """Put a file of runs there and register it."""
    rows = [
        {**run_of(task, turns=steps), "resolved": resolved, "patch": "diff"}
        for task, steps, resolved in runs
    ]
    write_lines(project.root / "runs" / f"{name}.jsonl", rows)
    project.ingest([name])


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def made_once(
    server: Server,
    with_base_model: Callable[[Home], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """Everything in sync, checkpoints and scores among it."""
    project = Project.begin(tmp_path_factory.mktemp("specs"), "specs_base")
    with_base_model(project.home)
    for name, runs in BATCHES.items():
        write_batch(project, name, runs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(URL, server.base_url)
        patch.setenv("SRFT_HOME", str(project.home.root))
        patch.setenv("DAGSTER_HOME", "")
        patch.syspath_prepend(project.root)
        project.apply()
        project.train()
    return project


@pytest.fixture
def project(
    made_once: Project, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A copy for one scenario."""
    copy = made_once.copy(tmp_path, f"specs_{tmp_path.name.replace('-', '_')}")
    server.by = "request"
    monkeypatch.setenv(URL, server.base_url)
    monkeypatch.setenv("SRFT_HOME", str(copy.home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(copy.home.dagster))
    monkeypatch.syspath_prepend(tmp_path)
    return copy
