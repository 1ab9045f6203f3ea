"""Formats of axolotl's `chat_template`, which masks by message or by characters.

https://docs.axolotl.ai/docs/dataset-formats/conversation.html. axolotl renders and tokenizes
itself, and looks for the turns by comparing renderings: a run is exported only if that gives the
tokens and the labels that were verified, with the settings of the card.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.axolotl_labels import AxolotlReader
from srft_assets.exports.formats.given import given_messages
from srft_assets.exports.formats.messages import PLAIN, plain_message
from srft_assets.exports.formats.tokens import labelled_rows
from srft_assets.exports.source import Conversation, Masked, UnfitError, conversation_of
from srft_assets.exports.writer import Format, Record
from srft_assets.tokens.calls import as_json
from srft_assets.tokens.token_labels import IGNORED
from srft_assets.tokens.tokenizer import ChatTokenizer

Messages = list[dict[str, Any]]

SHIFTED = (
    "axolotl finds the turns of it elsewhere and would train other tokens than were verified; "
    "`--format axolotl-tokens` has exactly those"
)

OFFSETS: dict[str, pa.DataType] = {
    "begin_offset": pa.int32(),
    "end_offset": pa.int32(),
    "train": pa.bool_(),
}
TOLD = ("name", "description", "parameters")
TOOL = pa.struct({"type": pa.string(), "function": pa.struct(dict.fromkeys(TOLD, pa.string()))})

AXOLOTL_MESSAGES = """\
```yaml
datasets:
  - path: FOLDER
    ds_type: parquet
    type: chat_template
    field_messages: messages
    field_tools: tools
    message_field_training: train
    roles_to_train: []
    train_on_eos: turn
    train_on_eot: turn
{settings}```

axolotl renders the chats with the template of the model's tokenizer and looks for the turns itself.
Each chat was read as axolotl 0.18 and 0.19 read it, and trains exactly the verified tokens with all
of these settings. Set `sequence_len` to at least {longest}, the longest row."""

AXOLOTL_SPANS = AXOLOTL_MESSAGES.replace(
    "    roles_to_train", "    message_field_training_detail: train_detail\n    roles_to_train"
)


def _checked(masked: Masked, reader: AxolotlReader, *, details: bool) -> Iterator[Record]:
    """A run that trains a step and of which axolotl makes the verified labels. Raises UnfitError.

    By message: `messages[].train`, and tools whose parameters are JSON text. With `details` also
    `train_detail`, the characters of a turn's content that are trained; `end_offset` is that of the
    last one. A masked turn has no detail at all: with one, even one that trains nothing, axolotl
    would train its end-of-turn token.
    """
    chat = conversation_of(masked, whole=True)
    if not chat.trained:
        return
    messages = _messages(chat, reader.tokenizer)
    tools = None if chat.tools is None else [_tool(tool) for tool in chat.tools]
    if details:
        for place, message in enumerate(messages):
            if message["train"]:
                message["train_detail"] = [_whole(place, message)]
    _check_labels(masked, messages, tools, reader)
    yield {"messages": messages, "tools": tools}


def _messages(chat: Conversation, tokenizer: ChatTokenizer) -> Messages:
    """The messages as the template was given them when the run was masked, arguments as JSON text.

    Tools and calls are in the content for a template that knows none. Raises UnfitError.
    """
    plain = [plain_message(*told) for told in chat.told()]
    given = given_messages(chat, tokenizer)
    cells = [dict.fromkeys(PLAIN) | _cells(message) for message in given]
    return [one | {"train": told["train"]} for one, told in zip(cells, plain, strict=True)]


def _cells(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message of a template in the cells of `PLAIN`."""
    cells = {name: message[name] for name in PLAIN if message.get(name) is not None}
    for call in cells.get("tool_calls", []):
        call["function"]["arguments"] = as_json(call["function"]["arguments"])
    return cells


def _whole(place: int, message: dict[str, Any]) -> dict[str, Any]:
    if message["tool_calls"] or message["reasoning_content"]:
        raise UnfitError(
            "a trained step has tool calls or thinking, which no offset of its content reaches",
            f"message {place}",
        )
    if not message["content"]:
        raise UnfitError("a trained step has no content for offsets", f"message {place}")
    return {"begin_offset": 0, "end_offset": len(message["content"]) - 1, "train": True}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = {key: value for key, value in tool.get("function", {}).items() if value is not None}
    if not function or set(function) - set(TOLD) or set(tool) - {"type", "function"}:
        known = "type, function.name, function.description and function.parameters"
        raise UnfitError(f"a tool's schema has other keys than {known}")
    if "parameters" in function:
        function["parameters"] = orjson.dumps(function["parameters"]).decode()
    return {"type": tool.get("type", "function"), "function": function}


def _check_labels(
    masked: Masked,
    messages: Messages,
    tools: Sequence[Mapping[str, Any]] | None,
    reader: AxolotlReader,
) -> None:
    """Raises UnfitError unless axolotl makes the tokens and the labels of the run's row.

    Of a run in windows the first gives the tokens, and all of them those that are trained.
    """
    offered = None if tools is None else [_read(tool, "parameters") for tool in tools]
    chat = reader.read([_turn(message) for message in messages], offered)
    rows = labelled_rows(masked)
    expected = rows[0][0].input_ids
    common = min(len(chat.ids), len(expected))
    if (chat.ids[:common] != expected[:common]).any():
        raise UnfitError("axolotl would make other tokens of it than were masked")
    places = [np.flatnonzero(labels != IGNORED) for _, labels in rows]
    tokens = [row.input_ids[at] for (row, _), at in zip(rows, places, strict=True)]
    for labels in chat.labels(_lengths(messages, reader.tokenizer)):
        found = np.flatnonzero(labels != IGNORED)
        moved = len(rows) == 1 and not np.array_equal(found, places[0])
        if moved or not np.array_equal(chat.ids[found], np.concatenate(tokens)):
            raise UnfitError(SHIFTED)


def _lengths(messages: Messages, tokenizer: ChatTokenizer) -> dict[int, int | None]:
    """Place of each trained message → tokens of its content by itself, where it has details."""
    places = [place for place, message in enumerate(messages) if message["train"]]
    detailed = [place for place in places if messages[place].get("train_detail")]
    texts = [messages[place]["content"] for place in detailed]
    alone = tokenizer.backend.encode_batch_fast(texts, add_special_tokens=False)
    counted = {place: len(one.ids) for place, one in zip(detailed, alone, strict=True)}
    return {place: counted.get(place) for place in places}


def _turn(message: Mapping[str, Any]) -> dict[str, Any]:
    marks = ("train", "train_detail")
    turn = {k: v for k, v in message.items() if v is not None and k not in marks}
    if "tool_calls" in turn:
        turn["tool_calls"] = [_read(call, "arguments") for call in turn["tool_calls"]]
    return turn


def _read(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A call or a tool with JSON text in its function read."""
    function = {k: v for k, v in holder["function"].items() if v is not None}
    if key in function:
        function[key] = orjson.loads(function[key])
    plain = {k: v for k, v in holder.items() if v is not None}
    return plain | {"function": function}


FORMATS = (
    Format(
        FormatName.AXOLOTL_MESSAGES,
        partial(_checked, details=False),
        AXOLOTL_MESSAGES,
        pa.schema({"messages": pa.list_(pa.struct(PLAIN)), "tools": pa.list_(TOOL)}),
        chats=True,
        reader=AxolotlReader,
    ),
    Format(
        FormatName.AXOLOTL_SPANS,
        partial(_checked, details=True),
        AXOLOTL_SPANS,
        pa.schema(
            {
                "messages": pa.list_(
                    pa.struct({**PLAIN, "train_detail": pa.list_(pa.struct(OFFSETS))})
                ),
                "tools": pa.list_(TOOL),
            }
        ),
        chats=True,
        reader=AxolotlReader,
    ),
)
