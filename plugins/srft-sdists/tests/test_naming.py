"""Recipes, patches' files, test commands and test names: what needs no environment."""

import subprocess
from pathlib import Path

import pytest
from small_project import git
from srft_sdists.build import NotBuiltError
from srft_sdists.check import arguments, command, named
from srft_sdists.environment import best_interpreter, interpreter, own_interpreter
from srft_sdists.git import paths, test_files, touched
from srft_sdists.recipes import recipe_of, recipes
from srft_sdists.source import Source
from srft_sdists.tree import NOT_SET_UP, check_out
from srft_sdists.tree import tests_script as putting

from srft_assets.outcomes.results import tally
from srft_assets.outcomes.task import TaskInstance
from tests.outcomes.conftest import diff, new_file


def task(repo: str, version: str = "3.2", test_patch: str = "") -> TaskInstance:
    return TaskInstance(
        instance_id="a__b-1",
        repo=repo,
        base_commit="0" * 40,
        problem_statement="",
        version=version,
        test_patch=test_patch,
    )


def test_every_recipe_can_be_read_and_its_first_ranges_come_first() -> None:
    assert {"django/django", "sympy/sympy", "pallets/flask"} <= set(recipes())
    for one in recipes().values():
        assert one.environments and one.tests


@pytest.mark.parametrize(
    ("version", "python"), [("3.0", "3.6"), ("3.2", "3.6"), ("4.0", "3.8"), ("5.0", "3.11")]
)
def test_the_version_decides_the_environment(version: str, python: str) -> None:
    one = task("django/django", version)
    assert recipe_of(one).environment(one).python[0] == python


def test_a_repository_without_a_recipe_is_told() -> None:
    with pytest.raises(NotBuiltError, match="no recipe for astropy/astropy; those of recipes"):
        recipe_of(task("astropy/astropy"))


def test_a_python_that_is_not_there_falls_back_to_our_own() -> None:
    own = own_interpreter()
    assert interpreter("2.1") is None
    assert best_interpreter(["2.1", own.version]) == own
    assert best_interpreter(["2.1"]) == own


RENAMED = (
    "diff --git a/tests/old.py b/tests/new.py\nsimilarity index 100%\n"
    "rename from tests/old.py\nrename to tests/new.py\n"
)
DELETED = (
    "diff --git a/tests/gone.py b/tests/gone.py\ndeleted file mode 100644\n"
    "--- a/tests/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
)
PATCH = (
    diff("tests/a/tests.py", "    x", "    y")
    + new_file("tests/a/data.json", "{}\n")
    + new_file("tests/b c/test_b.py", "diff --git a/no b/no\n")
    + RENAMED
    + DELETED
)


def test_files_of_a_patch_are_told_apart() -> None:
    kinds = {one.new: (one.added, one.deleted) for one in touched(PATCH)}
    assert kinds == {
        "tests/a/tests.py": (False, False),
        "tests/a/data.json": (True, False),
        "tests/b c/test_b.py": (True, False),
        "tests/new.py": (False, False),
        "tests/gone.py": (False, True),
    }
    assert "tests/old.py" in paths(PATCH)


def test_data_and_deleted_files_are_not_run() -> None:
    assert test_files(PATCH) == ["tests/a/tests.py", "tests/b c/test_b.py", "tests/new.py"]


def test_django_is_given_dotted_labels() -> None:
    one = task("django/django", test_patch=PATCH)
    assert arguments(one, recipe_of(one))[-5:] == [
        "--parallel",
        "1",
        "a.tests",
        "b c.test_b",
        "new",
    ]
    assert "cd tests" in command(recipe_of(one), "r.jsonl")


def test_names_of_files_do_not_reach_the_shell() -> None:
    hostile = new_file("tests/test_$(touch x).py", "x\n")
    one = task("pallets/flask", "2.3", hostile)
    assert arguments(one, recipe_of(one))[-1] == "tests/test_$(touch x).py"
    assert "touch" not in command(recipe_of(one), "r.jsonl")


def test_sympy_tests_are_known_by_their_function() -> None:
    results = named(
        recipes()["sympy/sympy"],
        [("sympy/a/tests/test_a.py::test_x[1]", "passed"), ("t.py::test_y", "failed")],
    )
    counted = tally(["test_x", "test_y"], results)
    assert counted.missing == ("test_y",)


def test_pytest_ids_are_cut_at_the_first_blank_and_all_of_them_must_pass() -> None:
    results = [("t.py::test_x[a b]", "passed"), ("t.py::test_x[a c]", "failed")]
    counted = tally(
        ["t.py::test_x[a", "t.py::test_x[a b]"], named(recipes()["pallets/flask"], results)
    )
    assert counted.missing == ("t.py::test_x[a",)


def test_tests_that_cannot_be_put_in_place_are_no_set_up(tmp_path: Path) -> None:
    origin, tree = tmp_path / "origin", tmp_path / "tree"
    origin.mkdir()
    git(origin, "init", "-q")
    (origin / "tests").mkdir()
    (origin / "tests/test_a.py").write_text("a = 1\n")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "start")
    commit = git(origin, "rev-parse", "HEAD").strip()
    source = Source("git", "here", "1", origin / ".git", commit, commit, commit)
    tree.mkdir()
    check_out(source, commit, tree)
    one = task("pallets/flask", "2.3", diff("tests/test_a.py", "a = 0", "a = 1"))
    script = ["bash", "-c", putting(one, source, recipe_of(one))]
    assert subprocess.run(script, cwd=tree).returncode == 0
    (tree / ".git/index.lock").touch()  # only `git checkout` minds it
    assert subprocess.run(script, cwd=tree).returncode == NOT_SET_UP
