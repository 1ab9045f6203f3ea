"""What is rehearsed in process is what the sandbox prints."""

import json
from pathlib import Path

import pytest

from srft_assets.lab.tasks import generate_tasks
from srft_assets.lab.teacher import Teacher
from srft_assets.sandbox.model import Sandbox
from tests.agent.conftest import play
from tools.base_model.chats import STEP_LIMIT, rehearse, teacher_messages

RUNS = 8


def test_rehearsed_chats_equal_played_ones(sandbox: Sandbox, tmp_path: Path) -> None:
    for task, chat in zip(generate_tasks(RUNS, 31), teacher_messages(RUNS, 31), strict=True):
        teacher = Teacher(31, task.instance_id)
        path = play(task, teacher, sandbox, out=tmp_path, step_limit=STEP_LIMIT)
        played = [
            {"role": message["role"], "content": message["content"]}
            for message in json.loads(path.read_text())["messages"]
            if message["role"] != "exit"
        ]
        assert played == chat


def test_check_prints_the_same_for_every_kind_of_failure(sandbox: Sandbox, tmp_path: Path) -> None:
    for task in generate_tasks(6, 32):
        for name, content in task.files.items():
            (tmp_path / name).write_text(content)
        done = sandbox.run("python3 check.py", workdir=tmp_path)
        assert (done.output, done.returncode) == rehearse("python3 check.py", dict(task.files))
        for name in task.files:
            (tmp_path / name).unlink()


@pytest.mark.parametrize("command", ["rm -rf /", "cat /etc/passwd", "cat ../x", "ls; id", ""])
def test_other_commands_are_refused(command: str) -> None:
    with pytest.raises(ValueError, match="not one of the teacher's commands"):
        rehearse(command, dict(generate_tasks(1, 31)[0].files))


def test_a_broken_module_is_one_short_line(sandbox: Sandbox, tmp_path: Path) -> None:
    """Models break syntax; what they then see must be as short as any failure."""
    (task,) = generate_tasks(1, 33)
    for name, content in task.files.items():
        (tmp_path / name).write_text(content)
    module = f"{task.repo.removeprefix('lab/')}.py"
    (tmp_path / module).write_text("def broken(:\n")
    done = sandbox.run("python3 check.py", workdir=tmp_path)
    assert done.returncode == 1
    assert len(done.output.splitlines()) == 1
    assert "SyntaxError" in done.output
