"""A run is what mini-swe-agent itself would have written, made in our sandbox."""

import json
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from srft_assets.agent.protocol import SUBMIT, SUBMIT_MARK, working_copy
from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox
from tests.agent.conftest import Script, commands, play


def played(path: Path) -> dict:
    return json.loads(path.read_text())


def test_submission_is_the_git_diff(task: TaskInstance, sandbox: Sandbox, tmp_path: Path) -> None:
    model = commands(
        "sed -i 's/one/uno/' a.txt", "mkdir __pycache__ && touch __pycache__/x", SUBMIT
    )
    path = play(task, model, sandbox, out=tmp_path)
    run = played(path)
    assert path == tmp_path / "lab__tiny-1.traj.json"
    assert run["instance_id"] == "lab__tiny-1"
    assert run["trajectory_format"] == "mini-swe-agent-1.1"
    assert run["info"]["exit_status"] == "Submitted"
    assert run["info"]["model_stats"]["api_calls"] == 3
    patch = run["info"]["submission"]
    assert patch.startswith("diff --git a/a.txt b/a.txt\n")
    assert patch.endswith("-one\n+uno\n")
    assert "__pycache__" not in patch


def test_messages_follow_the_text_protocol(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    run = played(play(task, commands("cat sub/b.txt; exit 3", SUBMIT), sandbox, out=tmp_path))
    roles = [message["role"] for message in run["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "exit"]
    assert run["messages"][3]["content"] == "<returncode>3</returncode>\n<output>\ntwo\n</output>"
    assert run["messages"][3]["extra"]["returncode"] == 3
    assert run["messages"][2]["extra"]["actions"] == [{"command": "cat sub/b.txt; exit 3"}]
    assert run["messages"][2]["extra"]["note"] == 1
    assert run["messages"][-1]["extra"]["exit_status"] == "Submitted"


def test_task_text_is_data_and_never_a_template(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    run = played(play(task, commands(SUBMIT), sandbox, out=tmp_path))
    assert run["messages"][1]["content"].startswith(task.problem_statement)


def test_file_is_byte_for_byte_what_mini_would_save(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minisweagent.agents.default import DefaultAgent

    agents = []
    serialize = DefaultAgent.serialize
    monkeypatch.setattr(
        DefaultAgent, "serialize", lambda self, *more: agents.append(self) or serialize(self, *more)
    )
    path = play(task, commands("ls", SUBMIT), sandbox, out=tmp_path)
    agents[-1].save(tmp_path / "own.json", {"instance_id": task.instance_id})
    assert (tmp_path / "own.json").read_bytes() == path.read_bytes()


def test_malformed_turns_are_answered_then_end_the_run(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    run = played(play(task, Script("no", "block", "here"), sandbox, out=tmp_path))
    assert run["info"]["exit_status"] == "RepeatedFormatError"
    assert "EXACTLY ONE" in run["messages"][2]["content"]


def test_step_limit_ends_the_run(task: TaskInstance, sandbox: Sandbox, tmp_path: Path) -> None:
    run = played(play(task, commands(*["ls"] * 5), sandbox, out=tmp_path, step_limit=2))
    assert run["info"]["exit_status"] == "LimitsExceeded"
    assert run["info"]["submission"] == ""


def test_slow_command_is_an_observation(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    model = commands("echo before; sleep 30", SUBMIT)
    run = played(play(task, model, sandbox, out=tmp_path, command_seconds=2.5))
    assert "timed out after 2.5 s" in run["messages"][3]["content"]
    assert run["info"]["exit_status"] == "Submitted"


def test_output_without_end_is_kept_in_part_and_a_patch_whole(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A run holds the output of each of its commands: hundreds of them may be endless."""
    large = "yes 'a long line of a patch' | head -c 2000000"
    path = play(task, commands(large, f"echo {SUBMIT_MARK}; {large}"), sandbox, out=tmp_path)
    run = played(path)
    shown = run["messages"][3]["extra"]["raw_output"]
    assert "characters cut" in shown and len(shown) < 300_000
    assert "<elided_chars>" in run["messages"][3]["content"]
    assert len(run["info"]["submission"]) == 2_000_000


def test_crash_is_saved_with_its_name_and_goes_on(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        play(task, Script(ZeroDivisionError("boom")), sandbox, out=tmp_path)
    run = played(tmp_path / "lab__tiny-1.traj.json")
    assert run["info"]["exit_status"] == "ZeroDivisionError"
    assert list(tmp_path.iterdir()) == [tmp_path / "lab__tiny-1.traj.json"]


@pytest.mark.parametrize("said", ["\ud800", float("nan"), float("-inf")])
def test_what_json_cannot_say_leaves_a_file_that_can_be_read(
    said: object, task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Servers do say such things: half a surrogate pair, logprobs of -Infinity."""
    model = commands(SUBMIT)
    model.noted = said
    path = play(task, model, sandbox, out=tmp_path)
    run = orjson.loads(path.read_bytes())
    assert run["info"]["exit_status"] == "Submitted"
    assert run["messages"][2]["extra"]["noted"] in ("\ufffd", None)


def test_interrupted_run_leaves_no_file(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        play(task, Script(KeyboardInterrupt()), sandbox, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_model_sees_roles_and_contents_only(
    task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    model = commands("ls", SUBMIT)
    play(task, model, sandbox, out=tmp_path)
    assert {key for message in model.seen[-1] for key in message} == {"role", "content"}


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "x" * 300, "a\nb"])
def test_instance_id_that_is_no_file_name_is_refused(
    name: str, task: TaskInstance, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(SrftError, match="instance id is no file name"):
        play(task.model_copy(update={"instance_id": name}), commands(), sandbox, out=tmp_path)


def test_no_banner_no_home_no_litellm(tmp_path: Path) -> None:
    """A process that has never seen mini-swe-agent imports it in silence."""
    code = (
        "import sys; from srft_assets.agent.play import prepare_mini; prepare_mini();"
        "import minisweagent.agents.default; assert 'litellm' not in sys.modules"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("MSWEA")}
    env |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


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
