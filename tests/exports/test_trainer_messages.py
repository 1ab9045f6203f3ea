"""Chats in the fields of LLaMA-Factory, ms-swift, slime, torchtune, verl, and what these read."""

import json
from pathlib import Path
from typing import Any

import pytest

from srft_assets.exports import FormatName
from srft_assets.tokens.token_labels import IGNORED, MaskedRow
from tests.exports.chats import changed, lines, reason_of
from tests.exports.conftest import TOOLS, Platform, text_run, tool_run
from tests.exports.test_token_formats import records
from tests.exports.trainers import read
from tests.tokens.templates import CHATML

TRAINED = [None, None, True, None, False, None, True]
"""Of a run without tools up to its last step: the mistake in the middle is masked."""


def labels_of(platform: Platform) -> list[tuple[list[int], list[int]]]:
    rows = map(MaskedRow.from_row, platform.rows("one"))
    return [(row.input_ids.tolist(), row.labels().tolist()) for row in rows]


def test_llamafactory_gets_typed_parts_and_weights(platform_with: Any, tmp_path: Path):
    platform = platform_with(weights={"recover": 0.5})
    platform.add("one", tool_run("a"))
    platform.export("llamafactory", tmp_path / "set")
    (record,) = records(tmp_path / "set")
    assert json.loads(record["tools"]) == TOOLS
    said = [message for message in record["messages"] if message["role"] == "assistant"]
    assert [message["loss_weight"] for message in said] == [1.0, 0.0, 0.5]
    words, call = said[0]["content"]
    assert words == {"type": "text", "value": "I say ls."}
    assert call["type"] == "tool_call"
    assert json.loads(call["value"]) == {"name": "bash", "arguments": {"command": "ls"}}
    others = [message for message in record["messages"] if message["role"] != "assistant"]
    assert {message["loss_weight"] for message in others} == {0.0}


def test_llamafactory_is_not_given_what_its_fields_cannot_say(platform_with: Any, tmp_path: Path):
    ids = CHATML.replace("message['content']", "message['content'] + (message.tool_call_id or '')")
    platform = platform_with(ids)
    reason = reason_of(platform, "llamafactory", tmp_path / "set", tool_run("a"))
    assert reason == "the chat template writes the chat otherwise from what the format holds"


def test_ms_swift_gets_a_flag_at_words_and_calls(platform: Platform, tmp_path: Path):
    platform.export("ms-swift", tmp_path / "set", "one")
    first, second = lines(tmp_path / "set")
    assert json.loads(first["tools"]) == TOOLS
    assert [message["role"] for message in first["messages"][1:4]] == [
        "assistant",
        "tool_call",
        "tool_response",
    ]
    flags = [m["loss"] for m in first["messages"] if m["role"] in ("assistant", "tool_call")]
    assert flags == [True, True, False, False, True, True]
    assert first["messages"][-1]["role"] == "tool_call"
    assert json.loads(first["messages"][2]["content"]) == {
        "name": "bash",
        "arguments": {"command": "ls"},
    }
    assert [message.get("loss") for message in second["messages"]] == TRAINED


def test_two_steps_of_calls_in_a_row_have_one_flag(platform: Platform, tmp_path: Path):
    run = tool_run("a")
    unanswered = changed(changed(run, 1, content=""), 3, content="")
    messages = [one for at, one in enumerate(unanswered.messages) if at != 2]
    steps = [
        type(step)(step.step_index, step.message_index - (step.step_index > 0), step.thought)
        for step in unanswered.steps
    ]
    odd = type(run)(**{**vars_of(unanswered), "messages": messages, "steps": steps})
    reason = reason_of(platform, "ms-swift", tmp_path / "set", odd)
    assert reason == "two steps of calls in a row have different labels"


def vars_of(run: Any) -> dict[str, Any]:
    return {name: getattr(run, name) for name in run.__slots__}


def test_ms_swift_trains_what_was_verified_and_the_line_break_behind_it(platform, tmp_path):
    platform.add("one", text_run("a", "look", "break"), text_run("b"))
    platform.export("ms-swift", tmp_path / "set", "one")
    rows = read(FormatName.MS_SWIFT, tmp_path / "set", platform.tokenizer)
    for row, (ids, labels) in zip(rows, labels_of(platform), strict=True):
        trained = [at for at, label in enumerate(labels) if label != IGNORED]
        breaks = [at + 1 for at in trained if at + 1 not in trained]
        assert row["input_ids"] == ids[: max(breaks) + 1]
        assert [at for at, label in enumerate(row["labels"]) if label != IGNORED] == sorted(
            [*trained, *breaks]
        )


def test_slime_gets_a_mask_at_every_answer(platform: Platform, tmp_path: Path):
    platform.export("slime", tmp_path / "set", "one")
    first, second = lines(tmp_path / "set")
    assert first["tools"] == TOOLS
    said = [message for message in first["messages"] if message["role"] == "assistant"]
    assert [message["step_loss_mask"] for message in said] == [1, 0, 1]
    assert said[0]["tool_calls"][0]["function"]["arguments"] == {"command": "ls"}
    marks = [message.get("step_loss_mask") for message in second["messages"]]
    assert marks == [None if one is None else int(one) for one in TRAINED]


def test_torchtune_makes_messages_of_it(platform: Platform, tmp_path: Path):
    done = platform.export("torchtune", tmp_path / "set", "one")
    assert done.counts.refused == {
        "torchtune has no field for the tools that the run was offered": 1
    }
    (record,) = lines(tmp_path / "set")
    told = [message["masked"] for message in record["messages"]]
    assert told == [trained is not True for trained in TRAINED]
    answered_twice = changed(text_run("b"), 1, role="assistant")
    reason = reason_of(platform, "torchtune", tmp_path / "odd", answered_twice)
    assert reason == "torchtune takes a question and an answer in turn"


def test_torchtune_reads_the_words_of_the_trained_steps(platform: Platform, tmp_path: Path):
    platform.export("torchtune", tmp_path / "set", "one")
    (row,) = read(FormatName.TORCHTUNE, tmp_path / "set", platform.tokenizer)
    assert (
        row["words"]
        == "<|im_start|>assistant\nlook<|im_end|>\n<|im_start|>assistant\nmend<|im_end|>"
    )


def test_verl_gets_a_chat_up_to_its_first_masked_step(platform: Platform, tmp_path: Path):
    platform.add("one", text_run("a"))
    platform.export("verl", tmp_path / "set", "one")
    (record,) = records(tmp_path / "set")
    assert [message["role"] for message in record["messages"]] == ["system", "user", "assistant"]
    assert record["messages"][-1] == {"role": "assistant", "content": "look"}


def test_verl_takes_no_tools_and_leaves_out_what_begins_with_a_mistake(platform_with, tmp_path):
    platform = platform_with(mask=["good"])
    platform.add("one", text_run("a"), tool_run("b"))
    done = platform.export("verl", tmp_path / "set")
    assert done.counts.without_loss == 2
    platform = platform_with()
    reason = reason_of(platform, "verl", tmp_path / "tools", tool_run("a"))
    assert reason == "verl reads tools from Parquet, which adds keys to their schemas"


@pytest.mark.parametrize("form", ["ms-swift", "torchtune"])
def test_thinking_is_refused_where_there_is_no_field(platform: Platform, tmp_path: Path, form: str):
    run = text_run("a")
    for step in run.steps:
        run = changed(run, step.message_index, reasoning_content="hm")
    assert "thinking" in reason_of(platform, form, tmp_path / "set", run)
