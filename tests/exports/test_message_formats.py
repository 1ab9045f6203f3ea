"""Exported chats hold what the run holds: arguments, thinking, and steps in their order."""

from srft_assets.trajectories.model import rows_of
from tests.exports.chats import changed, lines
from tests.exports.conftest import text_run, tool_run
from tests.exports.test_token_formats import records


def test_arguments_are_as_the_model_wrote_them(platform, tmp_path):
    for form, read in (("openai", lines), ("messages", records)):
        platform.export(form, tmp_path / form)
        call = read(tmp_path / form)[0]["messages"][1]["tool_calls"][0]
        assert call["function"] == {"name": "bash", "arguments": '{"command": "ls"}'}


def test_thinking_is_kept_where_there_is_a_field_and_else_refused(platform, tmp_path):
    run = tool_run("a")
    for step in run.steps:
        run = changed(run, step.message_index, reasoning_content="hm")
    platform.put("trajectories", rows_of([run], "one"), "one")
    platform.put_rows("one", [{**platform.rows("one")[0], "trajectory_id": "a"}])
    done = platform.export("openai", tmp_path / "set", "one", stale_ok=True)
    assert list(done.counts.refused) == [
        "a message has thinking, which the format has no field for"
    ]
    platform.export("messages", tmp_path / "plain", "one", stale_ok=True)
    (record,) = records(tmp_path / "plain")
    assert [m["reasoning_content"] for m in record["messages"] if m["train"]] == ["hm", "hm"]


def test_a_run_in_windows_is_one_chat_again(platform_with, tmp_path):
    answers = [f"step {number} " + "x " * 20 for number in range(6)]
    platform = platform_with(
        too_long="windows", overlap=1, training={"max_length": 200}, unlabeled="train"
    )
    platform.add("one", text_run("a", *answers))
    assert len(platform.rows("one")) > 1
    platform.export("messages", tmp_path / "set")
    (record,) = records(tmp_path / "set")
    steps = [m["step_index"] for m in record["messages"] if m["step_index"] is not None]
    assert steps == list(range(6))
    assert len(record["messages"]) == 14


def test_a_run_that_was_cut_ends_with_its_last_step(platform_with, tmp_path):
    answers = [f"step {number} " + "x " * 20 for number in range(6)]
    platform = platform_with(too_long="cut", training={"max_length": 200})
    platform.add("one", text_run("a", *answers))
    kept = len(platform.rows("one")[0]["spans"])
    assert 0 < kept < 6
    platform.export("messages", tmp_path / "set")
    (record,) = records(tmp_path / "set")
    assert record["messages"][-1]["step_index"] == kept - 1
