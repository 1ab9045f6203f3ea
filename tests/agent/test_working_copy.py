"""The repository that an agent works in."""

import subprocess

import pytest

from srft_assets.agent.protocol import working_copy
from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance


def test_files_are_committed_and_the_folder_goes_away(task: TaskInstance) -> None:
    with working_copy(task) as folder:
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=folder, capture_output=True, check=True
        )
        assert status.stdout == b""
        assert (folder / "sub" / "b.txt").read_text() == "two\n"
    assert not folder.exists()


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ".git/config", ""])
def test_paths_outside_the_repository_are_refused(path: str, task: TaskInstance) -> None:
    hostile = task.model_copy(update={"files": {path: "x"}})
    with (
        pytest.raises(SrftError, match="lab__tiny-1: `files` names a path outside"),
        working_copy(hostile),
    ):
        pass


def test_task_without_files_is_refused(task: TaskInstance) -> None:
    with (
        pytest.raises(SrftError, match="bears no `files`"),
        working_copy(task.model_copy(update={"files": {}})),
    ):
        pass
