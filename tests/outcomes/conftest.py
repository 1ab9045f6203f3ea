"""Fixtures for the tests of outcomes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srft_assets.home import Home
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.outcomes.task import TaskInstance
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.stage import Made, Stage
from tests.outcomes.row_support import ROW


@pytest.fixture
def task() -> TaskInstance:
    """A repository with one bug, one visible and two hidden tests."""
    return TaskInstance(
        instance_id="demo__adder-1",
        repo="demo/adder",
        base_commit="0" * 40,
        problem_statement="add is wrong",
        FAIL_TO_PASS=["test_add (test_hidden.Hidden.test_add)"],
        PASS_TO_PASS=[
            "test_zero (test_hidden.Hidden.test_zero)",
            "test_seen (test_adder.Seen.test_seen)",
        ],
        files={
            "adder.py": "def add(a, b):\n    return a - b\n",
            "test_adder.py": TEST.format(name="Seen", case="test_seen", call="add(0, 0), 0"),
        },
        patch=diff("adder.py", "    return a - b", "    return a + b"),
        test_patch=new_file(
            "test_hidden.py",
            TEST.format(name="Hidden", case="test_add", call="add(1, 2), 3")
            + "\n    def test_zero(self):\n        self.assertEqual(add(0, 0), 0)\n",
        ),
        test_command="python3 -m unittest -v",
    )


@pytest.fixture
def coded(task: TaskInstance) -> TaskInstance:
    """The same, with hidden tests that are no mere comparisons of a call and a value."""
    hidden = re.sub(r"assertEqual\((add\(.*?\)), (\d)\)", r"assertTrue(\1 == \2)", task.test_patch)
    return task.model_copy(update={"test_patch": hidden})


@pytest.fixture(params=["task", "coded"])
def any_task(request: pytest.FixtureRequest) -> TaskInstance:
    """Tests of both kinds."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A data set of `ROW` alone."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    return path


TEST = (
    "import unittest\n\nfrom adder import add\n\n\nclass {name}(unittest.TestCase):\n"
    "    def {case}(self):\n        self.assertEqual({call})\n"
)


def diff(path: str, old: str, new: str, line: int = 2, context: str = "def add(a, b):") -> str:
    """A patch that replaces the line after `context`."""
    added = new.splitlines()
    body = "".join(f"+{text}\n" for text in added)
    return (
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
        f"@@ -{line - 1},2 +{line - 1},{len(added) + 1} @@\n {context}\n-{old}\n{body}"
    )


def new_file(path: str, content: str, mode: str = "100644") -> str:
    """A patch that adds a file (or, by mode 120000, a link)."""
    lines = content.splitlines()
    body = "".join(f"+{line}\n" for line in lines)
    end = "" if content.endswith("\n") else "\\ No newline at end of file\n"
    return (
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n"
        f"@@ -0,0 +1,{len(lines)} @@\n{body}{end}"
    )


def make(home: Home, stage: Stage, batch: str, **work_settings: Any) -> Made:
    """Make one partition as the engine does."""
    work = work_alone(stage, home, batch, run_id="test", **work_settings)
    made, _ = make_partition(stage, work)
    return made


Ingest = Callable[..., Made]


@pytest.fixture
def outcomes_of(home: Home) -> Ingest:
    """Ingest paths as one batch, and make its test outcomes."""

    def run(*paths: Path, batch: str = "batch") -> Made:
        ingest(home, paths, batch=batch)
        make(home, trajectories_stage(), batch)
        return make(home, test_outcomes_stage(), batch)

    return run
