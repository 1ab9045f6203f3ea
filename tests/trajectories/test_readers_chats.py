"""Rows of chats as the OpenAI API writes them: what may vary, and what is refused."""

import orjson
import pytest

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import RecordError
from tests.trajectories.chat_rows import CHAT, TOOLS, read


def test_null_columns_of_parquet_structs_do_not_change_the_run():
    keys = ("role", "content", "name", "tool_calls", "tool_call_id")
    padded = [{key: message.get(key) for key in keys} for message in CHAT]
    assert read({"messages": padded}) == read({"messages": CHAT})


def test_tools_may_be_json_text():
    assert read({"messages": CHAT, "tools": orjson.dumps(TOOLS).decode()}).tools == TOOLS


def test_unknown_columns_never_break():
    more = {"source": {"a": 1}, "metrics": [1], "id": None, "notes": "x", "category": 3}
    run = read({"messages": CHAT, **more})
    assert run.messages == CHAT
    assert (run.instance_id, run.resolved) == ("unknown", None)


def test_function_and_developer_roles():
    chat = [
        {"role": "developer", "content": "You are an agent."},
        {
            "role": "assistant",
            "content": None,
            "function_call": {"name": "bash", "arguments": '{"command": "ls"}'},
        },
        {"role": "function", "name": "bash", "content": "a.py"},
    ]
    run = read({"messages": chat})
    assert [m["role"] for m in run.messages] == ["system", "assistant", "tool"]
    assert run.messages[2]["name"] == "bash"
    assert run.steps[0].actions[0].command == "ls"
    assert run.steps[0].observations == ["a.py"]


def test_reasoning_is_kept():
    turn = {"role": "assistant", "content": "x", "reasoning_content": "Because."}
    assert read({"messages": [turn]}).messages == [turn]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"messages": []}, "no assistant turn"),
        ({"messages": CHAT[:2]}, "no assistant turn"),
        ({"messages": [*CHAT, {"role": "oracle", "content": ""}]}, "unknown role 'oracle'"),
        ({"messages": [*CHAT, {"content": ""}]}, "'messages[5]' has no role"),
        ({"messages": [*CHAT, "hello"]}, "field 'messages[5]' is text; expected an object"),
        ({"messages": [*CHAT, {"role": ["user"]}]}, "field 'messages[5].role' is a list"),
        (
            {"messages": [{"role": "user", "content": {}}]},
            "field 'messages[0].content' is an object",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]},
            "field 'messages[0].tool_calls' holds an object that names no function",
        ),
        (
            {"messages": [{"role": "tool", "content": "", "tool_call_id": 7}]},
            "field 'messages[0].tool_call_id' is a number; expected text",
        ),
        ({"messages": CHAT, "resolved": "yes"}, "field 'resolved' is text"),
        ({"messages": CHAT, "resolved": 7}, "field 'resolved' is '7'; expected 1, 0 or -1"),
        ({"messages": CHAT, "patch": ["x"]}, "field 'patch' is a list; expected text"),
        ({"messages": CHAT, "instance_id": {}}, "field 'instance_id' is an object"),
        ({"messages": CHAT, "tools": [1]}, "field 'tools[0]' is a number"),
        ({"messages": '[{"role": "user"'}, "field 'messages' is text, but not JSON"),
    ],
)
def test_bad_rows_are_refused_with_the_reason(broken, reason):
    with pytest.raises(RecordError) as refused:
        read(broken)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("role", "block"),
    [
        ("assistant", {"type": "tool_use", "id": "t", "name": "bash", "input": {"command": "ls"}}),
        ("user", {"type": "tool_result", "tool_use_id": "t", "content": "a.py"}),
    ],
)
def test_blocks_of_the_messages_api_are_refused_by_name(role, block):
    chat = [{"role": "user", "content": "Mend it."}, {"role": "assistant", "content": "I look."}]
    chat.append({"role": role, "content": [{"type": "text", "text": "Well."}, block]})
    with pytest.raises(RecordError, match=f"'{block['type']}' block of Anthropic's Messages API"):
        read_record({"messages": chat, "info": {"mini_version": "1"}}, source="a.json", row=0)
