"""Tasks of every kind, graded in the real sandbox."""

import sysconfig
from pathlib import Path

import pytest

from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Sandbox, open_sandbox
from srft_assets.sandbox.detection import UnsafeSandbox
from tests.outcomes.conftest import new_file
from tests.outcomes.local_support import CHEATS, edit, grade


def test_nothing_is_left_behind(task: TaskInstance, sandbox: Sandbox, tmp_path: Path) -> None:
    import tempfile

    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path)
    try:
        grade(task, task.patch, sandbox)
        grade(task, CHEATS["removes the repository"], sandbox)
    finally:
        tempfile.tempdir = before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fail_to_pass": [], "pass_to_pass": []}, "names no tests"),
        ({"files": {}}, "no files"),
        ({"test_command": ""}, "no test command"),
        ({"files": {"../x": ""}}, "bad path"),
        ({"files": {"/etc/x": ""}}, "bad path"),
        ({"test_patch": "garbage\n"}, "could not be set up"),
    ],
)
def test_a_task_that_cannot_be_graded_is_not_the_model_own_failure(
    task: TaskInstance, sandbox: Sandbox, change: dict, reason: str
) -> None:
    outcome = grade(task.model_copy(update=change), task.patch, sandbox)
    assert outcome.status is Status.INFRA_ERROR and reason in outcome.reason


def test_a_broken_sandbox_is_not_the_model_own_failure(task: TaskInstance, tmp_path: Path) -> None:
    from srft_assets.sandbox.bubblewrap import BubblewrapSandbox

    outcome = grade(task, task.patch, BubblewrapSandbox(tmp_path / "absent"))
    assert outcome.status is Status.INFRA_ERROR and "did not start" in outcome.reason


def test_pytest_tasks_are_recorded_too(task: TaskInstance, sandbox: Sandbox) -> None:
    site = sysconfig.get_paths()["purelib"]
    pytest_task = task.model_copy(
        update={
            "test_command": f"PYTHONPATH={site} python -m pytest -p no:cacheprovider -rA",
            "fail_to_pass": ["test_hidden.py::Hidden::test_add"],
            "pass_to_pass": ["test_hidden.py::Hidden::test_zero", "test_adder.py::Seen::test_seen"],
        }
    )
    shown = open_sandbox(readonly=[Path(site)])
    assert grade(pytest_task, task.patch, shown).status is Status.RESOLVED
    wrong = grade(pytest_task, edit("    return 3"), shown)
    assert (wrong.status, wrong.f2p_passed, wrong.p2p_passed) == (Status.UNRESOLVED, 1, 0)
    ended = grade(pytest_task, CHEATS["ends the process"], shown)
    assert ended.status is Status.UNRESOLVED and "ended early" in ended.reason


def test_commands_the_recorder_does_not_know_are_read_off_their_output(
    task: TaskInstance, sandbox: Sandbox
) -> None:
    odd = task.model_copy(update={"test_command": "true && python3 -m unittest -v"})
    assert grade(odd, task.patch, sandbox).status is Status.RESOLVED
    assert grade(odd, edit("    return 3"), sandbox).status is Status.UNRESOLVED


def test_generated_tasks_resolve_with_their_own_patch_only(sandbox: Sandbox) -> None:
    for task in generate_tasks(4, seed=7):
        assert grade(task, task.patch, sandbox).status is Status.RESOLVED
        noted = new_file("notes.txt", "I looked at it.\n")
        untouched = grade(task, noted, sandbox)
        assert untouched.status is Status.UNRESOLVED
        assert untouched.f2p_passed == 0 and untouched.p2p_passed == untouched.p2p_total


def test_without_a_sandbox_grading_is_the_same(task: TaskInstance) -> None:
    assert grade(task, task.patch, UnsafeSandbox()).status is Status.RESOLVED
    assert grade(task, CHEATS["shadows unittest"], UnsafeSandbox()).status is Status.UNRESOLVED
