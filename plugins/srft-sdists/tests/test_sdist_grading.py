"""Patches graded from a source release and from a clone, in the real sandbox."""

import pytest
from small_project import PROJECT, RIGHT, World, edit
from srft_sdists import check, tree

from srft_assets.outcomes.status import SDIST_GRADER, Status, is_approximate
from tests.outcomes.conftest import diff, new_file

FORGE = (
    "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\n"
    "def pytest_runtest_makereport(item, call):\n"
    "    outcome = yield\n    outcome.get_result().outcome = 'passed'\n"
)
CHEATS = {
    "weakens a test": diff(
        "tests/test_core.py", "    assert add(0, 0) == 0", "    pass", 5, "def test_zero():"
    ),
    "adds a hook": new_file("conftest.py", FORGE),
    "configures pytest": new_file("pytest.ini", "[pytest]\naddopts = -p forge\n")
    + new_file("forge.py", FORGE),
    "adds a plug-in": new_file("src/f.egg-info/entry_points.txt", "[pytest11]\nforge = forge\n")
    + new_file("src/forge.py", FORGE),
    "adds a hook among the tests": new_file("tests/deep/conftest.py", FORGE),
    "shadows the tests": new_file("tests/test_core/__init__.py", "def test_add():\n    pass\n"),
    "shadows pytest": new_file("pytest.py", "raise SystemExit(0)\n"),
}


@pytest.mark.parametrize("mirror", [False, True], ids=["release", "clone"])
class TestBothSources:
    def test_the_reference_patch_resolves(self, world: World, mirror: bool) -> None:
        outcome = world.grade(world.task.patch, mirror=mirror)
        assert outcome.status is Status.RESOLVED, outcome
        assert (outcome.f2p_passed, outcome.f2p_total) == (1, 1)
        assert outcome.grader == SDIST_GRADER and is_approximate(outcome.grader)
        assert outcome.grader_version

    def test_another_right_patch_resolves(self, world: World, mirror: bool) -> None:
        assert world.grade(RIGHT.rstrip("\n"), mirror=mirror).status is Status.RESOLVED

    def test_a_wrong_patch_does_not(self, world: World, mirror: bool) -> None:
        outcome = world.grade(edit("    return a * b"), mirror=mirror)
        assert outcome.status is Status.UNRESOLVED
        assert outcome.failed_tests == ("tests/test_core.py::test_add",)

    @pytest.mark.parametrize("patch", [None, "", "\n \n"])
    def test_no_patch_is_an_empty_patch(
        self, world: World, mirror: bool, patch: str | None
    ) -> None:
        assert world.grade(patch, mirror=mirror).status is Status.EMPTY_PATCH

    @pytest.mark.parametrize(
        "patch",
        [
            "I added the numbers.\n",
            new_file("../../evil", "evil\n"),
            new_file("out", "../..", mode="120000") + new_file("out/x", "evil\n"),
        ],
        ids=["prose", "a path upwards", "through a link"],
    )
    def test_a_patch_that_is_none_or_would_leave_the_tree_failed(
        self, world: World, mirror: bool, patch: str
    ) -> None:
        outcome = world.grade(patch, mirror=mirror)
        assert outcome.status is Status.PATCH_FAILED, outcome
        assert outcome.reason

    @pytest.mark.parametrize("path", ["/etc/srft-evil", ".git/hooks/post-checkout"])
    def test_a_path_that_only_gnu_patch_takes_reaches_nothing(
        self, world: World, mirror: bool, path: str
    ) -> None:
        """On a checkout it is taken, as by SWE-bench's harness."""
        outcome = world.grade(new_file(path, "#!/bin/sh\nexit 1\n"), mirror=mirror)
        assert outcome.status is (Status.UNRESOLVED if mirror else Status.PATCH_FAILED), outcome

    def test_lines_that_end_otherwise_fit_a_checkout(self, world: World, mirror: bool) -> None:
        """GNU patch takes them, which is the last try of SWE-bench's harness."""
        outcome = world.grade(RIGHT.replace("\n", "\r\n"), mirror=mirror)
        assert outcome.status is (Status.RESOLVED if mirror else Status.INFRA_ERROR), outcome

    def test_code_that_never_ends_is_a_timeout(self, world: World, mirror: bool) -> None:
        assert world.grade(RIGHT, mirror=mirror).status is Status.RESOLVED
        outcome = world.grade(edit("    while True: pass"), mirror=mirror, seconds=8)
        assert outcome.status is Status.TIMEOUT

    @pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS.keys())
    def test_a_patch_that_edits_tests_gains_nothing(
        self, world: World, mirror: bool, cheat: str
    ) -> None:
        assert world.grade(edit("    return 1") + cheat, mirror=mirror).status is Status.UNRESOLVED
        assert world.grade(RIGHT + cheat, mirror=mirror).status is Status.RESOLVED


def test_a_run_whose_exit_code_is_not_0_failed(world: World) -> None:
    late = edit("    import atexit, os\n    atexit.register(os._exit, 3)\n    return a + b")
    outcome = world.grade(late)
    assert outcome.status is Status.UNRESOLVED
    assert outcome.reason == "the test run failed (exit code 3)"


def test_tests_that_fail_on_the_release_do_not_count(world: World) -> None:
    """The release lacks a file that one of the tests reads; the clone has it."""
    release, clone = world.grade(RIGHT), world.grade(RIGHT, mirror=True)
    assert (release.p2p_passed, release.p2p_total) == (1, 1)
    assert (clone.p2p_passed, clone.p2p_total) == (2, 2)
    assert release.log and release.log.startswith(f"source: {PROJECT} 1.0 (sdist); Python 3.")
    assert "1 of 2 PASS_TO_PASS" in release.log
    assert clone.log and clone.log.startswith(f"source: demo/adder@{world.task.base_commit[:12]}")


def test_a_patch_that_does_not_fit_failed_only_where_the_files_are_those_of_the_base_commit(
    world: World,
) -> None:
    patch = diff("src/adder/core.py", "    return a ** b", "    return a + b")
    assert world.grade(patch, mirror=True).status is Status.PATCH_FAILED
    outcome = world.grade(patch)
    assert outcome.status is Status.INFRA_ERROR and "differs from base_commit" in outcome.reason


def test_edits_of_tests_need_not_fit_a_release(world: World) -> None:
    """They would be undone in any case."""
    edited = diff(
        "tests/test_core.py", "    assert add(9, 9) == 18", "    pass", 9, "def test_x():"
    )
    assert world.grade(RIGHT + edited).status is Status.RESOLVED
    assert world.grade(edit("    return 1") + edited).status is Status.UNRESOLVED
    assert world.grade(RIGHT + edited, mirror=True).status is Status.PATCH_FAILED


def test_notes_that_a_release_does_not_carry_are_left_out(world: World) -> None:
    notes = diff("README", "old", "changed", line=1, context="x").replace(
        "@@ -0,2 +0,2 @@\n x\n", "@@ -1 +1 @@\n"
    )
    assert world.grade(RIGHT + notes).status is Status.RESOLVED
    assert world.grade(RIGHT + notes, mirror=True).status is Status.RESOLVED


CANNOT = {
    "another repository": ({"repo": "demo/other"}, "no recipe for demo/other; those of"),
    "an older version": ({"version": "0.1"}, "no recipe for demo/adder 0.1"),
    "no version": ({"version": "main"}, "bad version 'main'"),
    "a fix that was never released": (
        {"patch": diff("src/adder/core.py", "    return a - b", "    return sum([a, b])")},
        "the reference patch is in none of",
    ),
    "tests that fail with the fix": (
        {"fail_to_pass": ["tests/test_core.py::test_gone"]},
        "only 0 of 1 FAIL_TO_PASS tests pass",
    ),
    "tests that pass without the fix": (
        {"fail_to_pass": ["tests/test_core.py::test_zero"]},
        "without the reference solution all 1 FAIL_TO_PASS tests pass",
    ),
    "no reference patch": ({"patch": ""}, "no reference patch"),
}


@pytest.mark.parametrize(("change", "reason"), CANNOT.values(), ids=CANNOT.keys())
def test_what_cannot_be_built_is_the_machine_own_failure(
    world: World, change: dict, reason: str
) -> None:
    other = World(world.home, world.task.model_copy(update=change), world.mirrors)
    outcome = other.grade(RIGHT)
    assert outcome.status is Status.INFRA_ERROR and reason in outcome.reason, outcome.reason


def test_a_machine_without_gnu_patch_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tree.GNU_PATCH.replace("command -v patch", "command -v no-such-patch")
    monkeypatch.setattr(tree, "GNU_PATCH", gone)
    outcome = world.grade(RIGHT.replace("\n", "\r\n"), mirror=True)
    assert outcome.status is Status.INFRA_ERROR, outcome
    assert outcome.reason.endswith("GNU patch is not installed")


def test_a_machine_that_takes_too_long_to_apply_a_patch_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.grade(RIGHT).status is Status.RESOLVED
    hasty = check.APPLYING.model_copy(update={"wall_seconds": 0.001})
    monkeypatch.setattr(check, "APPLYING", hasty)
    outcome = world.grade(RIGHT)
    assert outcome.status is Status.INFRA_ERROR and "the machine took more" in outcome.reason


def test_more_names_than_one_argument_holds_are_put_in_place(world: World) -> None:
    """Linux takes no argument of 128 KiB; such are the names of these files together."""
    many = "".join(new_file(f"tests/{'x' * 140}_{n}.txt", "\n") for n in range(900))
    task = world.task.model_copy(update={"test_patch": world.task.test_patch + many})
    outcome = World(world.home, task, world.mirrors).grade(RIGHT, mirror=True)
    assert outcome.status is Status.RESOLVED, outcome.reason


def test_a_commit_that_the_clone_lacks_is_the_machine_own_failure(world: World) -> None:
    task = world.task.model_copy(update={"base_commit": "1" * 40})
    outcome = World(world.home, task, world.mirrors).grade(RIGHT, mirror=True)
    assert outcome.status is Status.INFRA_ERROR and "git" in outcome.reason
