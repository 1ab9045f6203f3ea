"""Grading a patch in the real sandbox."""

import py_compile
import subprocess
import sysconfig
from pathlib import Path

import pytest

from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.local import MAX_PATCH_BYTES, grade_patch
from srft_assets.outcomes.model import Status, TestOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Limits, Sandbox, open_sandbox
from srft_assets.sandbox.unsafe import UnsafeSandbox
from tests.outcomes.conftest import diff, new_file

FAST = Limits(wall_seconds=10, processes=64)


def grade(task: TaskInstance, patch: str | None, sandbox: Sandbox) -> TestOutcome:
    return grade_patch(task, patch, sandbox, trajectory_id="run-1", limits=FAST)


def edit(body: str) -> str:
    """A patch that replaces the body of `add`."""
    return diff("adder.py", "    return a - b", body)


def test_the_right_patch_resolves(task: TaskInstance, sandbox: Sandbox) -> None:
    outcome = grade(task, task.patch, sandbox)
    assert outcome.status is Status.RESOLVED, outcome
    assert (outcome.trajectory_id, outcome.instance_id) == ("run-1", "demo__adder-1")
    assert (outcome.f2p_passed, outcome.f2p_total) == (1, 1)
    assert (outcome.p2p_passed, outcome.p2p_total) == (2, 2)
    assert outcome.grader == "srft-local" and outcome.grader_version
    assert outcome.log is not None and "Ran 3 tests" in outcome.log


def test_a_patch_without_its_last_newline_is_whole(task: TaskInstance, sandbox: Sandbox) -> None:
    assert grade(task, task.patch.rstrip("\n"), sandbox).status is Status.RESOLVED


@pytest.mark.parametrize(
    ("body", "f2p", "p2p"),
    [("    return a - b - 0", 0, 2), ("    return 3", 1, 0), ("    raise ValueError", 0, 0)],
)
def test_a_wrong_patch_is_unresolved_and_counted(
    task: TaskInstance, sandbox: Sandbox, body: str, f2p: int, p2p: int
) -> None:
    outcome = grade(task, edit(body), sandbox)
    assert outcome.status is Status.UNRESOLVED
    assert (outcome.f2p_passed, outcome.p2p_passed) == (f2p, p2p)
    assert outcome.reason.startswith("did not pass: test_")


@pytest.mark.parametrize("patch", [None, "", " \n\n"])
def test_no_patch_is_an_empty_patch(
    task: TaskInstance, sandbox: Sandbox, patch: str | None
) -> None:
    assert grade(task, patch, sandbox).status is Status.EMPTY_PATCH


OUTSIDE = {
    "prose": "I fixed it by adding the numbers.\n",
    "a file that is not there": diff("other.py", "    return a - b", "    return a + b"),
    "lines that are not there": diff("adder.py", "    return a * b", "    return a + b"),
    "an absolute path": new_file("/etc/srft-evil", "evil\n"),
    "a path upwards": new_file("../../evil", "evil\n"),
    "a path into .git": new_file(".git/hooks/post-checkout", "#!/bin/sh\ntouch /testbed/ran\n"),
    "through a link upwards": new_file("out", "../..", mode="120000") + new_file("out/x", "evil\n"),
    "characters no text has": "diff --git a/\ud800 b/\0\n",
}


@pytest.mark.parametrize("patch", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_patch_that_cannot_be_applied_failed(
    task: TaskInstance, sandbox: Sandbox, patch: str
) -> None:
    outcome = grade(task, patch, sandbox)
    assert outcome.status is Status.PATCH_FAILED, outcome
    assert outcome.reason


def test_a_huge_patch_is_refused_unread(task: TaskInstance, sandbox: Sandbox) -> None:
    outcome = grade(task, "x" * (MAX_PATCH_BYTES + 1), sandbox)
    assert outcome.status is Status.PATCH_FAILED and "10,000,001" in outcome.reason


def test_endless_code_is_a_timeout(task: TaskInstance, sandbox: Sandbox) -> None:
    limits = Limits(wall_seconds=1)
    patch = edit("    import os, time\n    os.fork()\n    while True: time.sleep(1)")
    outcome = grade_patch(task, patch, sandbox, trajectory_id="r", limits=limits)
    assert outcome.status is Status.TIMEOUT and outcome.reason == "the tests took longer than 1 s"


FAKE = (
    "import sys\\n"
    "for test in ('add', 'zero'):\\n"
    "    print(f'test_{test} (test_hidden.Hidden.test_{test}) ... ok', file=sys.stderr)\\n"
    "print('test_seen (test_adder.Seen.test_seen) ... ok', file=sys.stderr)\\n"
    "print('Ran 3 tests in 0.001s', 'OK', sep='\\\\n\\\\n', file=sys.stderr)\\n"
)
CHEATS = {
    "ends the process": edit("    import os\n    os._exit(0)"),
    "exits": edit("    raise SystemExit(0)"),
    "skips": edit("    import unittest\n    raise unittest.SkipTest('no')"),
    "prints results and exits": edit(f'    exec("{FAKE}")\n    import os\n    os._exit(0)'),
    "writes over the results": edit(
        "    import glob\n"
        "    for name in glob.glob('.git/results*'):\n"
        "        open(name, 'w').write('[\"done\"\\n' * 3)\n    import os\n    os._exit(0)"
    ),
    "links the results elsewhere": edit(
        "    import glob, os\n"
        "    for name in glob.glob('.git/results*'):\n"
        "        os.unlink(name)\n        os.symlink('/etc/passwd', name)\n    os._exit(0)"
    ),
    "turns the results into a pipe": edit(
        "    import glob, os\n"
        "    for name in glob.glob('.git/results*'):\n"
        "        os.unlink(name)\n        os.mkfifo(name)\n    os._exit(0)"
    ),
    "removes the repository": edit("    import shutil\n    shutil.rmtree('/testbed', True)"),
    "changes a test": diff(
        "test_adder.py",
        "        self.assertEqual(add(0, 0), 0)",
        "        pass",
        line=8,
        context="    def test_seen(self):",
    ),
    "adds the hidden test": new_file("test_hidden.py", "import unittest\n"),
    "shadows the hidden test": new_file(
        "test_hidden/__init__.py",
        "import unittest\n\n\nclass Hidden(unittest.TestCase):\n"
        "    def test_add(self):\n        pass\n\n    def test_zero(self):\n        pass\n",
    ),
    "shadows unittest": new_file(
        "unittest.py", "import sys\nprint('OK', file=sys.stderr)\nsys.exit(0)\n"
    ),
    "shadows json": new_file("json.py", "import os\nos._exit(0)\n"),
    "hooks into start-up": new_file("sitecustomize.py", "import os\nos._exit(0)\n"),
    "links a test elsewhere": (
        "diff --git a/test_adder.py b/test_adder.py\ndeleted file mode 100644\n"
        "--- a/test_adder.py\n+++ /dev/null\n@@ -1,8 +0,0 @@\n"
        "-import unittest\n-\n-from adder import add\n-\n-\n-class Seen(unittest.TestCase):\n"
        "-    def test_seen(self):\n-        self.assertEqual(add(0, 0), 0)\n"
        + new_file("test_adder.py", "/etc/passwd", mode="120000")
    ),
    "converts the tests": new_file(".gitattributes", "*.py working-tree-encoding=UTF-16\n"),
}


@pytest.mark.parametrize("patch", CHEATS.values(), ids=CHEATS.keys())
def test_cheats_do_not_resolve(task: TaskInstance, sandbox: Sandbox, patch: str) -> None:
    outcome = grade(task, patch, sandbox)
    assert outcome.status is Status.UNRESOLVED, outcome
    assert outcome.f2p_passed == 0


HARMLESS = [
    name for name in CHEATS if name.split()[0] in ("shadows", "hooks", "converts", "links", "adds")
]
HARMLESS.remove("links the results elsewhere")


@pytest.mark.parametrize("cheat", HARMLESS)
def test_tests_run_as_if_such_files_were_not_there(
    task: TaskInstance, sandbox: Sandbox, cheat: str
) -> None:
    """What is wrong with these patches is the code alone: with the right code they resolve."""
    outcome = grade(task, task.patch + CHEATS[cheat], sandbox)
    assert outcome.status is Status.RESOLVED, outcome


def test_early_ends_are_told(task: TaskInstance, sandbox: Sandbox) -> None:
    outcome = grade(task, CHEATS["ends the process"], sandbox)
    assert outcome.reason == "the test run ended early (exit code 0)"


def test_bytecode_of_a_patch_is_never_run(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
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
    outcome = grade(task, patch, sandbox)
    assert outcome.status is Status.UNRESOLVED and outcome.f2p_passed == 0
    assert grade(task, task.patch + patch, sandbox).status is Status.RESOLVED


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
