"""Formats of chats whose messages say themselves whether they are trained.

`messages` is Parquet because its columns are typed: JSON readers guess a type from the first rows,
and runs with and without tool calls, or tools with other parameters, do not fit one guess. What has
no fixed shape (arguments of a call, parameters of a tool) is JSON text, as OpenAI's arguments are.

`openai` is `FineTuneChatRequestInput` of OpenAI's OpenAPI document 2.3.0; what that leaves open is
as the chat completions API demands it of the same messages. OpenAI renders and masks; what a run
holds that its fields cannot say is refused, never left out.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.source import (
    Conversation,
    Masked,
    UnfitError,
    conversation_of,
    plain_text,
    thinking,
)
from srft_assets.exports.writer import Format, Record
from srft_assets.tokens.token_labels import Span
from srft_assets.trajectories.model import Message

FUNCTION = pa.struct({"name": pa.string(), "arguments": pa.string()})
CALL = pa.struct({"id": pa.string(), "type": pa.string(), "function": FUNCTION})
PLAIN: dict[str, pa.DataType] = {
    "role": pa.string(),
    "content": pa.string(),
    "reasoning_content": pa.string(),
    "tool_calls": pa.list_(CALL),
    "tool_call_id": pa.string(),
    "name": pa.string(),
    "train": pa.bool_(),
}
MARKS: dict[str, pa.DataType] = {
    "weight": pa.float32(),
    "label": pa.string(),
    "step_index": pa.int32(),
}
HEAD = dict.fromkeys(("trajectory_id", "instance_id", "batch", "status"), pa.string())


MESSAGES = """\
```python
import json
from datasets import load_dataset

for row in load_dataset("FOLDER", split="train"):
    tools = json.loads(row["tools"]) if row["tools"] else None
    trained = [message for message in row["messages"] if message["train"]]
```

`weight` is the loss weight of a message, `label` the critic's, `step_index` the step. `arguments`
of tool calls and `tools` are JSON text, so that Arrow adds no keys to them. TRL's
`assistant_only_loss` knows no `train`: it trains masked steps too. `--format trl` does not."""

TOOLS = 128
"""Most tools of one chat."""
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Of a function."""
FILE_BYTES = 512_000_000
"""Most that one training file may hold."""


OPENAI = """\
```console
$ openai api files.create -f FOLDER/data/train-00000-of-00001.jsonl -p fine-tune
```

Assistant messages with `weight: 0` are context only. One job takes one training file of at most
512 MB: `--max-shard-size 512MB` makes the fewest. Other programs should read it line by line: older
releases of `datasets` give every tool the parameters of all tools, as null."""


def _records(masked: Masked, _: object = None) -> Iterator[Record]:
    """One record a run: plain messages with `train`, `weight`, `label` and `step_index`.

    With what follows the last step: some templates write the last turn of a chat otherwise.
    """
    chat = conversation_of(masked, whole=True)
    messages = [
        {**plain_message(place, message, span), **_marks(span)}
        for place, message, span in chat.told()
    ]
    tools = None if chat.tools is None else orjson.dumps(chat.tools).decode()
    yield {**{name: getattr(chat, name) for name in HEAD}, "messages": messages, "tools": tools}


def _marks(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"weight": 0.0}
    return {"weight": span.loss_weight, "label": span.label, "step_index": span.step_index}


def plain_message(place: int, message: Message, span: Span | None) -> dict[str, Any]:
    """Cells of `PLAIN`. Raises UnfitError for content that is not text, and for old calls."""
    if message.get("function_call"):
        raise UnfitError("a message calls a function in the old way", f"message {place}")
    calls = [_call(call) for call in message.get("tool_calls") or []]
    return {
        "role": message["role"],
        "content": plain_text(place, message),
        "reasoning_content": thinking(message),
        "tool_calls": calls or None,
        "tool_call_id": message.get("tool_call_id"),
        "name": message.get("name"),
        "train": span is not None and span.trained,
    }


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the model wrote them, where they were recorded as text; none are `{}`."""
    function = call.get("function") or call
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = orjson.dumps(arguments).decode()
    arguments = "{}" if arguments.strip() in ("", "null") else arguments
    named = {"name": str(function.get("name", "")), "arguments": arguments}
    return {"id": call.get("id"), "type": "function", "function": named}


def _openai(masked: Masked, _: object = None) -> Iterator[Record]:
    """One record a run that trains a step."""
    chat = conversation_of(masked)
    if not chat.trained:
        return
    messages = [_message(chat, place) for place in range(len(chat.messages))]
    _check_order(messages)
    record: Record = {"messages": messages}
    calls = [message["tool_calls"] for message in messages if "tool_calls" in message]
    if calls and not chat.tools:
        raise UnfitError("tools are called that the run does not state")
    if chat.tools:
        if len(chat.tools) > TOOLS:
            raise UnfitError(f"there are more than {TOOLS} tools")
        record["tools"] = [_tool(tool) for tool in chat.tools]
        record["parallel_tool_calls"] = any(len(group) > 1 for group in calls)
    yield record


def _message(chat: Conversation, place: int) -> dict[str, Any]:
    span = chat.turns.get(place)
    plain = plain_message(place, chat.messages[place], span)
    if plain["reasoning_content"]:
        raise UnfitError("a message has thinking, which the format has no field for")
    message = {"role": plain["role"], "content": plain["content"]}
    if plain["role"] == "tool":
        return {**message, "tool_call_id": plain["tool_call_id"]}
    if plain["role"] != "assistant":
        return message
    if plain["tool_calls"]:
        message |= {"content": plain["content"] or None, "tool_calls": plain["tool_calls"]}
        _check_calls(place, plain["tool_calls"])
    elif not plain["content"]:
        raise UnfitError("an assistant message is empty", f"message {place}")
    return {**message, "weight": 0 if span is None else int(span.loss_weight > 0)}


def _check_calls(place: int, calls: Sequence[dict[str, Any]]) -> None:
    ids = [call["id"] for call in calls]
    if not all(ids):
        raise UnfitError("a tool call has no id", f"message {place}")
    if len(set(ids)) < len(ids):
        raise UnfitError("two tool calls of a message have the same id", f"message {place}")
    if not all(NAME.fullmatch(call["function"]["name"]) for call in calls):
        raise UnfitError("a tool call names no valid function", f"message {place}")


def _check_order(messages: Sequence[dict[str, Any]]) -> None:
    """System first, and every call answered before anyone speaks; the last may stay open."""
    open_calls: set[str] = set()
    for place, message in enumerate(messages):
        where = f"message {place}"
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise UnfitError("a tool message answers no call", where)
            open_calls.discard(message["tool_call_id"])
            continue
        if open_calls:
            raise UnfitError("a tool call has no answer", where)
        if message["role"] == "system" and place and messages[place - 1]["role"] != "system":
            raise UnfitError("a system message is not the first", where)
        open_calls = {call["id"] for call in message.get("tool_calls", [])}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, dict) or not NAME.fullmatch(str(function.get("name"))):
        raise UnfitError("a tool names no valid function")
    kept = ("name", "description", "parameters", "strict")
    plain = {key: function[key] for key in kept if function.get(key) is not None}
    return {"type": "function", "function": plain}


FORMATS = (
    Format(
        FormatName.MESSAGES,
        _records,
        MESSAGES,
        pa.schema(
            {**HEAD, "messages": pa.list_(pa.struct({**PLAIN, **MARKS})), "tools": pa.string()}
        ),
        chats=True,
        weights=True,
    ),
    Format(FormatName.OPENAI, _openai, OPENAI, chats=True, file_bytes=FILE_BYTES),
)
