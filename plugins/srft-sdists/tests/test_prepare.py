"""A task's tree and environment, for an agent to work in; and what is kept between uses."""

from pathlib import Path

import pytest
from small_project import BROKEN, OLD_TESTS, PROJECT, World, git
from srft_sdists.build import Cache, NotBuiltError
from srft_sdists.tree import prepare

from srft_assets.home import Home
from srft_assets.sandbox import open_sandbox


@pytest.mark.parametrize("mirror", [False, True], ids=["release", "clone"])
def test_the_tree_is_the_repository_before_the_fix(world: World, mirror: bool) -> None:
    with prepare(world.task, world.home, world.mirrors if mirror else None) as ready:
        assert (ready.tree / "src/adder/core.py").read_text() == BROKEN
        assert (ready.tree / "tests/test_core.py").read_text() == OLD_TESTS
        assert (ready.tree / "src/adder/_version.py").read_text() == "version = '1.0'\n"
        assert git(ready.tree, "status", "--porcelain") == ""
        assert git(ready.tree, "log", "--all", "--format=%s") == "base\n"
        assert git(ready.tree, "remote") == ""
        source = world.task.repo if mirror else PROJECT
        assert ready.source.startswith(source)
    assert not ready.tree.exists()


@pytest.mark.parametrize("mirror", [False, True], ids=["release", "clone"])
def test_nothing_of_the_solution_is_in_reach(world: World, mirror: bool) -> None:
    with prepare(world.task, world.home, world.mirrors if mirror else None) as ready:
        listed = git(ready.tree, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
        texts = [git(ready.tree, "cat-file", "-p", name) for name in listed.split()]
        assert any("return a - b" in text for text in texts)
        assert not any("return a + b" in text or "test_add" in text for text in texts)
        found = list(ready.environment.rglob("*adder*"))
        assert found == [], "the release is installed in its environment"


def test_commands_in_the_sandbox_see_the_tree_and_the_environment(world: World) -> None:
    with prepare(world.task, world.home) as ready:
        sandbox = open_sandbox(readonly=ready.readonly)
        command = ready.command.replace("FILE", "tests/test_core.py")
        done = sandbox.run(command, workdir=ready.tree, env=ready.env)
        assert "1 passed" in done.output, done.output
        where = "python -c 'import adder; print(adder.__file__)'; git log --oneline | wc -l"
        done = sandbox.run(where, workdir=ready.tree, env=ready.env)
        assert done.output.split() == ["/testbed/src/adder/__init__.py", "1"]


def test_a_task_whose_hidden_tests_cannot_be_taken_out_is_not_played(world: World) -> None:
    changed = world.task.test_patch.replace("add(1, 2) == 3", "add(2, 2) == 4")
    task = world.task.model_copy(update={"test_patch": changed})
    with pytest.raises(NotBuiltError, match="hidden tests cannot be taken out"):
        prepare(task, world.home).__enter__()


def test_the_first_release_that_holds_the_fix_is_taken_and_kept(world: World, home: Home) -> None:
    with prepare(world.task, home) as ready:
        assert ready.source == f"{PROJECT} 1.0 (sdist)"
    releases = Cache.of(home).root / "releases"
    assert {path.name for path in releases.iterdir()} == {f"{PROJECT}-1.0a1", f"{PROJECT}-1.0"}


def test_a_folder_that_was_left_torn_is_made_again(tmp_path: Path) -> None:
    cache, made = Cache(tmp_path), []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("whole")

    torn = tmp_path / "environments" / "one"
    torn.mkdir(parents=True)
    (torn / "junk").touch()
    folder = cache.folder("environments", "one", make)
    assert folder == torn and not (folder / "junk").exists()
    assert cache.folder("environments", "one", make) == folder
    assert made == [folder]


def test_a_folder_that_cannot_be_made_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise NotBuiltError("no network")

    with pytest.raises(NotBuiltError, match="no network"):
        cache.folder("environments", "one", fail)
    assert not (tmp_path / "environments" / "one").exists()


def test_programs_that_fail_say_why_in_one_line(tmp_path: Path) -> None:
    from srft_sdists.build import run

    with pytest.raises(NotBuiltError, match=r"^git status failed: fatal: not a git repository"):
        run(["git", "status"], cwd=tmp_path, env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    with pytest.raises(NotBuiltError, match=r"took longer than 0\.2 s"):
        run(["sleep", "5"], seconds=0.2)
    with pytest.raises(NotBuiltError, match="did not start"):
        run([tmp_path / "absent"])
