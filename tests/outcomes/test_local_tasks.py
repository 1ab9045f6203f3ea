"""Tasks of every kind, graded in the real sandbox."""

import sysconfig
from pathlib import Path

import pytest

from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Sandbox, UnsafeSandbox, open_sandbox
from tests.outcomes.conftest import diff, new_file
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


@pytest.fixture
def pytest_task(coded: TaskInstance) -> TaskInstance:
    """Its tests are run with the pytest of this environment."""
    return coded.model_copy(
        update={
            "test_command": f"PYTHONPATH={SITE} python -m pytest -p no:cacheprovider -rA",
            "fail_to_pass": ["test_hidden.py::Hidden::test_add"],
            "pass_to_pass": ["test_hidden.py::Hidden::test_zero", "test_adder.py::Seen::test_seen"],
        }
    )


SITE = sysconfig.get_paths()["purelib"]
FORGE = "import os, pytest\n\ndef pytest_configure():\n    print('a hook ran')\n    os._exit(0)\n"
HOOKS = {
    name: new_file("forge.py", FORGE) + new_file(path, content)
    for name, path, content in [
        ("pytest.ini", "pytest.ini", "[pytest]\naddopts = -p forge\n"),
        ("pytest.toml", "pytest.toml", "[pytest]\naddopts = ['-p', 'forge']\n"),
        ("setup.cfg", "setup.cfg", "[tool:pytest]\naddopts = -p forge\n"),
        ("tox.ini", "tox.ini", "[pytest]\naddopts = -p forge\n"),
        ("pyproject.toml", "pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-p forge'\n"),
        ("conftest.py", "conftest.py", "import forge\nforge.pytest_configure()\n"),
        ("entry point", "f.egg-info/entry_points.txt", "[pytest11]\nforge = forge\n"),
        ("entry point of a wheel", "f.dist-info/entry_points.txt", "[pytest11]\nforge = forge\n"),
        ("sitecustomize", "sitecustomize.py", "import forge\nforge.pytest_configure()\n"),
        ("usercustomize", "usercustomize/__init__.py", "import forge; forge.pytest_configure()\n"),
    ]
}


def test_pytest_tasks_are_recorded_too(pytest_task: TaskInstance, sandbox: Sandbox) -> None:
    shown = open_sandbox(readonly=[Path(SITE)])
    assert grade(pytest_task, pytest_task.patch, shown).status is Status.RESOLVED
    wrong = grade(pytest_task, edit("    return 3"), shown)
    assert (wrong.status, wrong.f2p_passed, wrong.p2p_passed) == (Status.UNRESOLVED, 1, 0)
    ended = grade(pytest_task, CHEATS["ends the process"], shown)
    assert ended.status is Status.UNRESOLVED and "ended early" in ended.reason


def test_more_names_than_one_argument_holds_are_graded(
    coded: TaskInstance, sandbox: Sandbox
) -> None:
    """Linux takes no argument of 128 KiB; such are the names of these tests together."""
    name = f"test_{'x' * 70}_{{}}"
    methods = "".join(
        f"    def {name.format(n)}(self):\n        self.assertTrue(add(1, {n}) == {n + 1})\n"
        for n in range(2000)
    )
    hidden = f"import unittest\nfrom adder import add\nclass Many(unittest.TestCase):\n{methods}"
    wanted = [f"{name.format(n)} (test_many.Many.{name.format(n)})" for n in range(2000)]
    change = {"fail_to_pass": wanted, "test_patch": new_file("test_many.py", hidden)}
    many = coded.model_copy(update={**change, "pass_to_pass": []})
    right = grade(many, many.patch, sandbox)
    assert (right.status, right.f2p_passed) == (Status.RESOLVED, 2000), right.reason
    assert grade(many, edit("    return b - a"), sandbox).status is Status.UNRESOLVED


def test_more_files_than_one_argument_holds_are_graded(
    pytest_task: TaskInstance, sandbox: Sandbox
) -> None:
    paths = [f"tests/{'x' * 240}/{'y' * 240}/test_{'z' * 240}_{n}.py" for n in range(180)]
    test = "from adder import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    change = {
        "files": {**pytest_task.files, **dict.fromkeys(paths, test)},
        "fail_to_pass": [f"{path}::test_add" for path in paths],
        "pass_to_pass": [],
        "test_command": f"PYTHONPATH={SITE} python -m pytest -p no:cacheprovider "
        "--import-mode=importlib -q",
    }
    many = pytest_task.model_copy(update=change)
    outcome = grade(many, many.patch, open_sandbox(readonly=[Path(SITE)]))
    assert (outcome.status, outcome.f2p_passed) == (Status.RESOLVED, 180), outcome.reason


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS.keys())
def test_hooks_of_a_patch_are_out(pytest_task: TaskInstance, sandbox: Sandbox, hook: str) -> None:
    """The run goes as if they were not there; a hook that ran would end it."""
    shown = open_sandbox(readonly=[Path(SITE)])
    outcome = grade(pytest_task, pytest_task.patch + hook, shown)
    assert outcome.status is Status.RESOLVED and "a hook ran" not in (outcome.log or ""), outcome


def test_configuration_of_the_task_itself_is_used(
    pytest_task: TaskInstance, sandbox: Sandbox
) -> None:
    """A patch cannot change it either."""
    ini = "[pytest]\naddopts = -p no:terminal\n"
    own = pytest_task.model_copy(update={"files": {**pytest_task.files, "pytest.ini": ini}})
    edited = diff("pytest.ini", "addopts = -p no:terminal", "addopts = -p x", context="[pytest]")
    outcome = grade(own, own.patch + edited, open_sandbox(readonly=[Path(SITE)]))
    assert outcome.status is Status.RESOLVED and "passed" not in (outcome.log or ""), outcome


def test_a_task_whose_results_would_only_be_printed_is_not_graded(
    coded: TaskInstance, sandbox: Sandbox
) -> None:
    odd = coded.model_copy(update={"test_command": "true && python3 -m unittest -v"})
    outcome = grade(odd, odd.patch, sandbox)
    assert outcome.status is Status.INFRA_ERROR and "can be forged" in outcome.reason


def test_generated_tasks_resolve_with_their_own_patch_only(sandbox: Sandbox) -> None:
    for task in generate_tasks(4, seed=7):
        assert grade(task, task.patch, sandbox).status is Status.RESOLVED
        noted = new_file("notes.txt", "I looked at it.\n")
        untouched = grade(task, noted, sandbox)
        assert untouched.status is Status.UNRESOLVED
        assert untouched.f2p_passed == 0 and untouched.p2p_passed == untouched.p2p_total


def test_without_a_sandbox_grading_is_the_same(any_task: TaskInstance) -> None:
    assert grade(any_task, any_task.patch, UnsafeSandbox()).status is Status.RESOLVED
    assert grade(any_task, CHEATS["shadows unittest"], UnsafeSandbox()).status is Status.UNRESOLVED


def test_a_pytest_of_the_patch_is_never_imported(
    pytest_task: TaskInstance, sandbox: Sandbox
) -> None:
    own = new_file("pytest.py", "import os\nos._exit(0)\n")
    outcome = grade(pytest_task, pytest_task.patch + own, sandbox)
    assert outcome.status is Status.RESOLVED, outcome
    itself = {**pytest_task.files, "src/_pytest/__init__.py": ""}
    tested = pytest_task.model_copy(update={"files": itself})
    assert grade(tested, pytest_task.patch + own, sandbox).status is Status.UNRESOLVED
