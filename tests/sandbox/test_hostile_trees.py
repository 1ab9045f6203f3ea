"""Folders that hostile commands leave: whatever they hold, they go, and the run counts."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from srft_assets.agent.protocol import SUBMIT, SandboxEnvironment, working_copy
from srft_assets.files import remove_tree, scratch
from srft_assets.outcomes.sandbox_grader import grade_runs
from srft_assets.outcomes.status import Run, Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Sandbox
from srft_assets.warehouse.stage import Idle
from tests.outcomes.conftest import coded, diff, task

__all__ = ["coded", "task"]


def nested(folder: Path, depth: int, name: str = "d") -> None:
    """Folders in folders; a path to the last would be longer than PATH_MAX."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def closed(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0o500)
    folder.chmod(0)


HOSTILE: dict[str, Callable[[Path], None]] = {
    "3,000 nested folders": lambda folder: nested(folder, 3000),
    "paths beyond PATH_MAX": lambda folder: nested(folder, 60, "n" * 200),
    "closed folders": closed,
    "names that look like options": lambda folder: (folder / "-rf").mkdir(),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_is_removed(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = tmp_path / "-folder"
    folder.mkdir()
    make(folder)
    remove_tree(folder)
    assert list(tmp_path.iterdir()) == []
    remove_tree(folder)


def test_no_link_is_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("whole")
    kept.chmod(0o500)
    with scratch("srft-test-") as folder:
        (folder / "in").mkdir()
        (folder / "in" / "link").symlink_to(kept)
        (folder / "in").chmod(0)
    assert not folder.exists()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o500 and (kept / "file").read_text() == "whole"


@pytest.mark.parametrize("mode", ["000", "555", "077"])
def test_a_folder_that_a_command_closed_is_open_to_the_next(
    sandbox: Sandbox, task: TaskInstance, mode: str
) -> None:
    """Else the next would be the sandbox's own failure, which counts nowhere."""
    from minisweagent.exceptions import Submitted

    with working_copy(task) as workdir:
        environment = SandboxEnvironment(sandbox, workdir, timeout=20)
        environment.execute({"command": f"echo x > noted; chmod {mode} ."})
        assert "noted" in environment.execute({"command": "ls"})["output"]
        with pytest.raises(Submitted):
            environment.execute({"command": SUBMIT})


TROUBLE = {
    "nests 3,000 folders": "for _ in range(3000):\n        os.mkdir('d')\n        os.chdir('d')",
    "closes the tree": "os.chmod('/testbed', 0)",
    "closes what is read": "os.chmod('/testbed/.git', 0)\n    os.chmod('/testbed', 0o500)",
}


@pytest.mark.parametrize("kind", ["task", "coded"])
def test_a_run_that_makes_trouble_has_its_outcome_and_so_have_the_others(
    sandbox: Sandbox, request: pytest.FixtureRequest, kind: str
) -> None:
    given: TaskInstance = request.getfixturevalue(kind)
    bodies = [f"    import os\n    {code}\n    return 3" for code in TROUBLE.values()]
    patches = [given.patch, *(diff("adder.py", "    return a - b", body) for body in bodies)]
    runs = [
        Run(str(number), given.instance_id, None, patch, "", None, None)
        for number, patch in enumerate(patches)
    ]
    outcomes = grade_runs(runs, {given.instance_id: given}, sandbox, Idle(), "grading")
    statuses = [outcomes[str(number)].status for number in range(len(runs))]
    assert statuses == [Status.RESOLVED, *[Status.UNRESOLVED] * len(TROUBLE)]
