"""Formats of messages that say themselves whether they are trained, in Parquet.

Parquet because the columns are typed: JSON readers guess a type from the first rows, and runs with
and without tool calls, or tools with other parameters, do not fit one guess. What has no fixed
shape (arguments of a call, parameters of a tool) is JSON text, as OpenAI's arguments are.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.source import Masked, UnfitError, conversation_of, plain_text, thinking
from srft_assets.exports.writer import Format, Record
from srft_assets.tokens.row import Span
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
of tool calls and `tools` are JSON text."""


def _records(masked: Masked, _: object = None) -> Iterator[Record]:
    """One record a run: plain messages with `train`, `weight`, `label` and `step_index`."""
    chat = conversation_of(masked)
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
    """The arguments as the model wrote them, where they were recorded as text."""
    function = call.get("function") or call
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = orjson.dumps({} if arguments is None else arguments).decode()
    named = {"name": str(function.get("name", "")), "arguments": arguments}
    return {"id": call.get("id"), "type": "function", "function": named}


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
)
