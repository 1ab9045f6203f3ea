"""Patches that try to pass without being right, in the real sandbox."""

import py_compile
import subprocess
from pathlib import Path

import pytest

from srft_assets.outcomes import sandbox_grader
from srft_assets.outcomes.sandbox_grader import intruders
from srft_assets.outcomes.status import Status, outcome_rows
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Sandbox
from tests.outcomes.conftest import new_file
from tests.outcomes.local_support import ANSWERS, CHEATS, edit, grade


@pytest.mark.parametrize("patch", CHEATS.values(), ids=CHEATS.keys())
def test_cheats_do_not_resolve(any_task: TaskInstance, sandbox: Sandbox, patch: str) -> None:
    outcome = grade(any_task, patch, sandbox)
    assert outcome.status is Status.UNRESOLVED, outcome
    assert outcome.f2p_passed == 0


@pytest.mark.parametrize("patch", ANSWERS.values(), ids=ANSWERS.keys())
def test_values_are_compared_where_no_code_under_test_runs(
    task: TaskInstance, sandbox: Sandbox, patch: str
) -> None:
    outcome = grade(task, patch, sandbox)
    assert outcome.status is Status.UNRESOLVED, outcome
    assert outcome.f2p_passed == 0


def test_a_run_whose_exit_code_is_not_0_failed(coded: TaskInstance, sandbox: Sandbox) -> None:
    late = edit("    import atexit, os\n    atexit.register(os._exit, 3)\n    return a + b")
    outcome = grade(coded, late, sandbox)
    assert outcome.status is Status.UNRESOLVED
    assert outcome.reason == "the test run failed (exit code 3)"


def test_only_the_named_tests_are_run(any_task: TaskInstance, sandbox: Sandbox) -> None:
    """A test of the patch's own that fails is nobody's business."""
    own = new_file("test_own.py", "raise SystemExit('never imported')\n")
    assert grade(any_task, any_task.patch + own, sandbox).status is Status.RESOLVED


HARMLESS = [
    name for name in CHEATS if name.split()[0] in ("shadows", "hooks", "converts", "links", "adds")
]
HARMLESS.remove("links the results elsewhere")
HARMLESS.remove("adds a test under another name")


@pytest.mark.parametrize("cheat", HARMLESS)
def test_tests_run_as_if_such_files_were_not_there(
    any_task: TaskInstance, sandbox: Sandbox, cheat: str
) -> None:
    """What is wrong with these patches is the code alone: with the right code they resolve."""
    outcome = grade(any_task, any_task.patch + CHEATS[cheat], sandbox)
    assert outcome.status is Status.RESOLVED, outcome


def test_early_ends_are_told(any_task: TaskInstance, sandbox: Sandbox) -> None:
    outcome = grade(any_task, CHEATS["ends the process"], sandbox)
    assert outcome.reason == "the test run ended early (exit code 0)"


def test_bytecode_of_a_patch_is_never_run(
    coded: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A .pyc may say that its source needs no check; Python then never reads the test."""
    source = tmp_path / "test_hidden.py"
    source.write_text(CHEATS["shadows the hidden test"].replace("+", "").partition("@@\n")[2])
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compiled = py_compile.compile(str(source), doraise=True, invalidation_mode=unchecked)
    assert compiled is not None
    source.unlink()
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-f", compiled], check=True)
    patch = subprocess.run(
        [*git, "diff", "--cached", "--binary"], check=True, capture_output=True, text=True
    ).stdout
    assert "GIT binary patch" in patch
    outcome = grade(coded, patch, sandbox)
    assert outcome.status is Status.UNRESOLVED and outcome.f2p_passed == 0
    assert grade(coded, coded.patch + patch, sandbox).status is Status.RESOLVED


HALF = edit("    return '\\ud800'")
NESTED = edit(
    "    import os\n    deep = '[' * 900 + ']' * 900\n"
    "    os.write(1, f'\\n[{{\"returned\": {deep}}}]\\n'.encode())\n    os._exit(0)"
)


@pytest.mark.parametrize("patch", [HALF, NESTED], ids=["half a surrogate pair", "nested"])
def test_answers_that_are_hard_to_write_down_are_failures(
    any_task: TaskInstance, sandbox: Sandbox, patch: str
) -> None:
    outcome = grade(any_task, patch, sandbox)
    assert outcome.status is Status.UNRESOLVED, outcome
    assert outcome_rows([outcome])["status"].to_list() == ["unresolved"]


def test_only_the_sandbox_itself_can_fail_after_the_patch_is_applied(
    task: TaskInstance, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unforeseen(*_: object) -> None:
        raise RecursionError("too deep \ud800")

    monkeypatch.setattr(sandbox_grader, "mistakes", unforeseen)
    outcome = grade(task, task.patch, sandbox)
    assert (outcome.status, outcome.reason) == (Status.UNRESOLVED, "too deep ?")


@pytest.mark.parametrize(
    "value",
    [
        "float(a + b)",
        "type('Sub', (int,), {})(a + b)",
        "__import__('enum').IntEnum('E', {'A': a + b}).A",
    ],
)
def test_values_that_unittest_takes_for_equal_are(
    any_task: TaskInstance, sandbox: Sandbox, value: str
) -> None:
    outcome = grade(any_task, edit(f"    return {value}"), sandbox)
    assert outcome.status is Status.RESOLVED, outcome


def test_a_command_with_variables_is_run_as_it_is(task: TaskInstance, sandbox: Sandbox) -> None:
    patch = edit("    import os\n    return a + b if os.environ.get('WAY') == 'sum' else None")
    assert grade(task, patch, sandbox).status is Status.UNRESOLVED
    told = task.model_copy(update={"test_command": "WAY=sum python3 -m unittest"})
    assert grade(told, patch, sandbox).status is Status.RESOLVED


@pytest.mark.parametrize("arguments", ["discover -s .", "test_hidden test_adder", "discover -v"])
def test_what_unittest_is_told_to_run_is_run(
    coded: TaskInstance, sandbox: Sandbox, arguments: str
) -> None:
    told = coded.model_copy(update={"test_command": f"python3 -m unittest {arguments}"})
    outcome = grade(told, coded.patch, sandbox)
    assert outcome.status is Status.RESOLVED, outcome
    assert grade(told, edit("    return 9"), sandbox).status is Status.UNRESOLVED


def test_a_repository_inside_the_tree_hides_no_hook(task: TaskInstance, sandbox: Sandbox) -> None:
    """GNU patch writes such where git refuses; the code sees whether the hook is there."""
    hook = "import os\nos._exit(3)\n"
    nested = new_file("sub/.git/HEAD", "ref: refs/heads/main\n") + new_file("sub/conftest.py", hook)
    nested += new_file("sub/.git/objects/keep", "x\n") + new_file("sub/.git/refs/keep", "x\n")
    looks = edit("    import os\n    return None if os.path.exists('sub/conftest.py') else a + b")
    outcome = grade(task, looks + nested, sandbox)
    assert outcome.status is Status.RESOLVED, outcome


def test_a_test_folder_becomes_no_package() -> None:
    assert ":(glob)tests/unit/__init__.*" in intruders(["tests/unit/test_a.py", "src/test_b.py"])
    assert ":(glob)src/__init__.*" not in intruders(["tests/unit/test_a.py", "src/test_b.py"])
