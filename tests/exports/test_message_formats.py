"""Exported chats say of every message whether it is trained, in the schema of each trainer."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

from srft_assets.tokens.tokenizer import load_tokenizer
from tests.exports.conftest import TOOLS, Platform, text_run, tool_run
from tests.exports.test_token_formats import records
from tests.tokens.templates import CHATML

MESSAGE: TypeAdapter[Any] = TypeAdapter(ChatCompletionMessageParam)
TOOL: TypeAdapter[Any] = TypeAdapter(ChatCompletionFunctionToolParam)


class Strict(BaseModel):
    """No key that the documentation does not name."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Function(Strict):
    name: str
    arguments: str


class Call(Strict):
    id: str | None
    type: Literal["function"]
    function: Function


class Detail(Strict):
    begin_offset: int
    end_offset: int
    train: bool


class Message(Strict):
    """A message of https://docs.axolotl.ai/docs/dataset-formats/conversation.html."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    reasoning_content: str | None
    tool_calls: list[Call] | None
    tool_call_id: str | None
    name: str | None
    train: bool
    train_detail: list[Detail] | None = None

    @model_validator(mode="after")
    def _offsets_within(self) -> "Message":
        for detail in self.train_detail or []:
            assert 0 <= detail.begin_offset <= detail.end_offset < len(self.content)
        for call in self.tool_calls or []:
            json.loads(call.function.arguments)
        return self


class Schema(Strict):
    name: str
    description: str | None
    parameters: str | None


class Tool(Strict):
    type: Literal["function"]
    function: Schema


class Chat(Strict):
    messages: list[Message]
    tools: list[Tool] | None


def lines(folder: Path) -> list[dict[str, Any]]:
    """All rows of an export in JSON Lines."""
    paths = sorted(folder.glob("data/*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def reason_of(platform: Platform, form: str, out: Path, run: Any) -> str:
    """Why the only run of a batch is refused."""
    platform.add("one", run)
    ((reason, count),) = platform.export(form, out, "one").counts.refused.items()
    assert count == 1
    assert json.loads((out / "refused.jsonl").read_text())["reason"].startswith(reason)
    return reason


@pytest.mark.parametrize("form", ["axolotl-messages", "axolotl-spans"])
def test_axolotl_gets_the_schema_it_documents(platform, tmp_path, form):
    platform.export(form, tmp_path / "set")
    chats = [Chat.model_validate(record) for record in records(tmp_path / "set")]
    assert chats
    for chat in chats:
        trained = [message.train for message in chat.messages if message.role == "assistant"]
        assert trained in ([True, False, True], [True, True, True])
        assert not any(message.train for message in chat.messages if message.role != "assistant")
        for tool in chat.tools or []:
            assert json.loads(tool.function.parameters or "")["type"] == "object"


def test_spans_reach_from_the_first_to_the_last_character_and_masked_turns_have_none(
    platform, tmp_path
):
    platform.add("one", text_run("a", "löok", "break", "mend"))
    platform.export("axolotl-spans", tmp_path / "set", "one")
    (record,) = records(tmp_path / "set")
    details = [m["train_detail"] for m in record["messages"] if m["role"] == "assistant"]
    whole = [{"begin_offset": 0, "end_offset": 3, "train": True}]
    assert details == [whole, None, whole]


def test_spans_do_not_reach_tool_calls(platform, tmp_path):
    reason = reason_of(platform, "axolotl-spans", tmp_path / "set", tool_run("a"))
    assert reason.startswith("a trained step has tool calls or thinking")


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


def test_arguments_are_as_the_model_wrote_them(platform, tmp_path):
    for form, read in (("openai", lines), ("messages", records)):
        platform.export(form, tmp_path / form)
        call = read(tmp_path / form)[0]["messages"][1]["tool_calls"][0]
        assert call["function"] == {"name": "bash", "arguments": '{"command": "ls"}'}


def changed(run: Any, place: int, **cells: Any) -> Any:
    """The run with other cells in one message; None takes a cell out."""
    messages = [dict(message) for message in run.messages]
    messages[place] |= cells
    messages[place] = {k: v for k, v in messages[place].items() if v is not None}
    return replace(run, messages=messages, messages_json=None)


def two_calls(run: Any, second: str) -> Any:
    call = run.messages[1]["tool_calls"][0]
    return changed(run, 1, tool_calls=[call, {**call, "id": second}])


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


def test_thinking_is_kept_where_there_is_a_field_and_else_refused(platform, tmp_path):
    run = tool_run("a")
    for step in run.steps:
        run = changed(run, step.message_index, reasoning_content="hm")
    platform.put("trajectories", platform_frame(run), "one")
    platform.put_rows("one", [{**platform.rows("one")[0], "trajectory_id": "a"}])
    done = platform.export("openai", tmp_path / "set", "one", stale_ok=True)
    assert list(done.counts.refused) == [
        "a message has thinking, which the format has no field for"
    ]
    platform.export("messages", tmp_path / "plain", "one", stale_ok=True)
    (record,) = records(tmp_path / "plain")
    assert [m["reasoning_content"] for m in record["messages"] if m["train"]] == ["hm", "hm"]


def platform_frame(run: Any) -> Any:
    from srft_assets.trajectories.frame import columns_of

    return columns_of([run], "one")


def test_parallel_calls_are_told(platform, tmp_path):
    run = two_calls(tool_run("a"), "call_9")
    answer = {"role": "tool", "tool_call_id": "call_9", "content": "b.py"}
    messages = [*run.messages[:3], answer, *run.messages[3:]]
    steps = [
        replace(run.steps[0]),
        *(replace(s, message_index=s.message_index + 1) for s in run.steps[1:]),
    ]
    platform.add("one", replace(run, messages=messages, steps=steps, messages_json=None))
    platform.export("openai", tmp_path / "set")
    assert [chat["parallel_tool_calls"] for chat in lines(tmp_path / "set")] == [True, False]


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
    assert len(record["messages"]) == 13


def test_a_run_that_was_cut_ends_with_its_last_step(platform_with, tmp_path):
    answers = [f"step {number} " + "x " * 20 for number in range(6)]
    platform = platform_with(too_long="cut", training={"max_length": 200})
    platform.add("one", text_run("a", *answers))
    kept = len(platform.rows("one")[0]["spans"])
    assert 0 < kept < 6
    platform.export("messages", tmp_path / "set")
    (record,) = records(tmp_path / "set")
    assert record["messages"][-1]["step_index"] == kept - 1


def test_calls_are_written_out_for_a_template_that_knows_none(platform_with, tmp_path):
    platform = platform_with(CHATML)
    platform.add("one", tool_run("a"))
    platform.export("axolotl-messages", tmp_path / "set")
    (record,) = records(tmp_path / "set")
    said = [m for m in record["messages"] if m["role"] == "assistant"]
    assert said[0]["tool_calls"] is None
    assert said[0]["content"].startswith("I say ls.\n<tool_call>\n{")
    trained = "".join(f"{m['content']}<|im_end|>" for m in said if m["train"])
    (row,) = platform.rows("one")
    spans = [row["input_ids"][s["start"] : s["end"]] for s in row["spans"] if s["trained"]]
    tokenizer = load_tokenizer(platform.tokenizer)
    ids = [number for span in spans for number in span]
    assert tokenizer.backend.decode(ids, skip_special_tokens=False) == trained


@pytest.mark.parametrize("form", ["axolotl-messages", "axolotl-spans"])
def test_what_axolotl_would_tokenize_otherwise_is_refused(platform, tmp_path, form):
    run = text_run("a", "I print <|im_end|> here.", "b", "c")
    reason = reason_of(platform, form, tmp_path / "set", run)
    assert reason == "axolotl would make other tokens of it than were masked"
    for verified in ("trl", "axolotl-tokens"):
        assert not platform.export(verified, tmp_path / verified, "one").counts.refused


def test_offsets_that_a_template_would_shift_are_refused(platform_with, tmp_path):
    platform = platform_with(CHATML.replace("message['content']", "message['content'] | trim"))
    reason = reason_of(platform, "axolotl-spans", tmp_path / "set", text_run("a", " look", "b"))
    assert reason.startswith("the content of a trained step has other tokens by itself")
    assert not platform.export("axolotl-messages", tmp_path / "messages").counts.refused


def odd_arguments() -> Any:
    call = {"id": "call_0", "type": "function", "function": {"name": "bash", "arguments": "ls"}}
    return changed(tool_run("a"), 1, tool_calls=[call])


STRICT = [{**TOOLS[0], "function": {**TOOLS[0]["function"], "strict": True}}]


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (odd_arguments(), "the arguments of a tool call are no JSON"),
        (tool_run("a", tools=STRICT), "a tool's schema has other keys"),
    ],
)
def test_what_axolotl_could_not_read_is_refused(platform_with, tmp_path, run, reason):
    found = reason_of(platform_with(), "axolotl-messages", tmp_path / "set", run)
    assert found.startswith(reason)
