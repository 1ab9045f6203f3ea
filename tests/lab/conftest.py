"""Fixtures for the lab: a sandbox, and the grading of patches in it."""

import logging
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pytest

from srft_assets.agent.working_copy import working_copy
from srft_assets.errors import SandboxMissingError
from srft_assets.home import Home
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox
from srft_assets.sandbox.opening import open_sandbox
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Work
from srft_assets.warehouse.store import Warehouse

T = TypeVar("T")

Grade = Callable[[TaskInstance, str], set[str]]
"""Task and patch → ids of the tests that pass, hidden ones included."""


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def grade(sandbox: Sandbox) -> Grade:
    """Grades as a person would by hand: apply both patches with git, run the test command."""

    def passed(task: TaskInstance, patch: str) -> set[str]:
        with working_copy(task) as folder:
            for diff in (patch, task.test_patch):
                if diff:
                    subprocess.run(
                        ["git", "apply", "-"], cwd=folder, input=diff, text=True, check=True
                    )
            output = sandbox.run(task.test_command, workdir=folder).output
        return set(re.findall(r"^(test_\w+ \(.*\)) \.\.\. ok$", output, re.MULTILINE))

    return passed


class Counting:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        self.totals.append(total)
        yield from items


def lab_work(home: Home, batch: str = "lab-test") -> Work:
    """The making of a `trajectories` partition, as handed to a collector."""
    return Work(
        home=home,
        warehouse=Warehouse(home.warehouse),
        partition=batch,
        recipe=Recipe(),
        run_id="test",
        progress=Counting(),
        launch=lambda argv, env: None,
        log=logging.getLogger("test"),
    )


@pytest.fixture
def work(home: Home) -> Work:
    return lab_work(home)
