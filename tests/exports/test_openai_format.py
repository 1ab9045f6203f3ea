"""Chats for OpenAI's fine-tuning: the schema of its own client, weights, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from pydantic import TypeAdapter

from tests.exports.chats import changed, lines, reason_of, two_calls
from tests.exports.conftest import text_run, tool_run

MESSAGE: TypeAdapter[Any] = TypeAdapter(ChatCompletionMessageParam)
TOOL: TypeAdapter[Any] = TypeAdapter(ChatCompletionFunctionToolParam)


def test_openai_gets_the_schema_of_its_own_client(platform, tmp_path):
    platform.export("openai", tmp_path / "set")
    chats = lines(tmp_path / "set")
    assert len(chats) == 3
    for chat in chats:
        for message in chat["messages"]:
            weight = message.pop("weight", None)
            MESSAGE.validate_python(message)
            assert (weight in (0, 1)) == (message["role"] == "assistant")
        for tool in chat.get("tools", []):
            TOOL.validate_python(tool)
        assert set(chat) <= {"messages", "tools", "parallel_tool_calls"}
        assert ("tools" in chat) == ("parallel_tool_calls" in chat)


def test_openai_weights_are_the_masks(platform, tmp_path):
    platform.export("openai", tmp_path / "set")
    weights = [[m.get("weight") for m in chat["messages"]] for chat in lines(tmp_path / "set")]
    assert weights == [
        [None, 1, None, 0, None, 1],
        [None, None, 1, None, 0, None, 1],
        [None, 1, None, 1, None, 1],
    ]


UNFIT = {
    "a tool call has no id": changed(
        tool_run("a"), 1, tool_calls=[{"function": {"name": "bash", "arguments": "{}"}}]
    ),
    "a tool message answers no call": changed(tool_run("a"), 2, tool_call_id="other"),
    "a tool call has no answer": two_calls(tool_run("a"), "call_9"),
    "two tool calls of a message have the same id": two_calls(tool_run("a"), "call_0"),
    "tools are called that the run does not state": tool_run("a", tools=None),
    "a system message is not the first": changed(text_run("a"), 3, role="system"),
    "an assistant message is empty": changed(text_run("a"), 4, content=""),
    "a message calls a function in the old way": changed(
        text_run("a"), 4, function_call={"name": "bash", "arguments": "{}"}
    ),
}


@pytest.mark.parametrize("reason", UNFIT)
def test_what_openai_does_not_take_is_refused_with_the_reason(platform, tmp_path, reason):
    assert reason_of(platform, "openai", tmp_path / "set", UNFIT[reason]) == reason


def test_parallel_calls_are_told(platform, tmp_path):
    run = two_calls(tool_run("a"), "call_9")
    answer = {"role": "tool", "tool_call_id": "call_9", "content": "b.py"}
    messages = [*run.messages[:3], answer, *run.messages[3:]]
    steps = [
        replace(run.steps[0]),
        *(replace(s, message_index=s.message_index + 1) for s in run.steps[1:]),
    ]
    platform.add("one", replace(run, messages=messages, steps=steps))
    platform.export("openai", tmp_path / "set")
    assert [chat["parallel_tool_calls"] for chat in lines(tmp_path / "set")] == [True, False]
