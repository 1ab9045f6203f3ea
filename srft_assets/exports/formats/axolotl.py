"""Formats of axolotl's `chat_template`, which masks by message or by characters.

https://docs.axolotl.ai/docs/dataset-formats/conversation.html. axolotl renders and tokenizes
itself: a run is exported only if that gives the tokens that were masked. What of a turn is trained
axolotl finds by comparing renderings, so tokens at its edges may differ from ours;
`axolotl-tokens` has exactly those that were verified.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.formats.messages import PLAIN, plain_message
from srft_assets.exports.source import Conversation, Masked, UnfitError, conversation_of
from srft_assets.exports.writer import Format, Record
from srft_assets.tokens.template import (
    TEMPLATE_ERRORS,
    WRITTEN_OUT,
    apply,
    for_template,
    forms,
    short_call_ids,
    wants_short_ids,
)
from srft_assets.tokens.tokenizer import ChatTokenizer

Messages = list[dict[str, Any]]

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
```

axolotl renders the chats with the template of the model's tokenizer. Each was checked to give the
tokens that srft masked; the turns axolotl finds itself, so tokens at their edges may differ.
`--format axolotl-tokens` has exactly the verified ones."""

AXOLOTL_SPANS = AXOLOTL_MESSAGES.replace(
    "    roles_to_train", "    message_field_training_detail: train_detail\n    roles_to_train"
)


def _by_message(masked: Masked, tokenizer: ChatTokenizer) -> Iterator[Record]:
    """`messages[].train`, and tools whose parameters are JSON text."""
    for _, record in _checked(masked, tokenizer):
        yield record


def _by_characters(masked: Masked, tokenizer: ChatTokenizer) -> Iterator[Record]:
    """As by message, with `train_detail`: the characters of a turn's content that are trained.

    `end_offset` is that of the last character. A masked turn has no detail at all: with one, even
    one that trains nothing, axolotl would train its end-of-turn token. Raises UnfitError where
    offsets would train other tokens.
    """
    for chat, record in _checked(masked, tokenizer):
        for place, message in enumerate(record["messages"]):
            if message["train"]:
                message["train_detail"] = [_whole(place, message)]
        _check_content(masked, chat, record["messages"], tokenizer)
        yield record


def _checked(masked: Masked, tokenizer: ChatTokenizer) -> Iterator[tuple[Conversation, Record]]:
    """A run that trains a step and that axolotl renders to the tokens of the masks."""
    chat = conversation_of(masked, whole=True)
    if chat.trained:
        messages = _messages(chat, tokenizer)
        tools = None if chat.tools is None else [_tool(tool) for tool in chat.tools]
        _check_tokens(masked, messages, tools, tokenizer)
        yield chat, {"messages": messages, "tools": tools}


def _messages(chat: Conversation, tokenizer: ChatTokenizer) -> Messages:
    plain = [plain_message(*told) for told in chat.told()]
    messages = _as_masked(chat, plain, tokenizer)
    for place, message in enumerate(messages):
        _check_arguments(place, message)
    return messages


def _whole(place: int, message: dict[str, Any]) -> dict[str, Any]:
    if message["tool_calls"] or message["reasoning_content"]:
        raise UnfitError(
            "a trained step has tool calls or thinking, which no offset of its content reaches",
            f"message {place}",
        )
    if not message["content"]:
        raise UnfitError("a trained step has no content for offsets", f"message {place}")
    return {"begin_offset": 0, "end_offset": len(message["content"]) - 1, "train": True}


def _check_arguments(place: int, message: dict[str, Any]) -> None:
    """axolotl reads the arguments of every call as JSON and stops where they are not."""
    for call in message["tool_calls"] or []:
        try:
            orjson.loads(call["function"]["arguments"])
        except orjson.JSONDecodeError:
            kind = "the arguments of a tool call are no JSON"
            raise UnfitError(kind, f"message {place}") from None


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = {key: value for key, value in tool.get("function", {}).items() if value is not None}
    if not function or set(function) - set(TOLD) or set(tool) - {"type", "function"}:
        known = "type, function.name, function.description and function.parameters"
        raise UnfitError(f"a tool's schema has other keys than {known}")
    if "parameters" in function:
        function["parameters"] = orjson.dumps(function["parameters"]).decode()
    return {"type": tool.get("type", "function"), "function": function}


def _as_masked(chat: Conversation, messages: Messages, tokenizer: ChatTokenizer) -> Messages:
    """The messages as the template was given them when the run was masked: tool calls written
    into the content for a template that knows none, ids of calls as short as it wants them."""
    source = tokenizer.template(chat.tools)
    if forms(source, chat.messages) == (WRITTEN_OUT,):
        written = for_template(chat.messages, WRITTEN_OUT)
        pairs = zip(messages, written, strict=True)
        return [message | {"content": one["content"], "tool_calls": None} for message, one in pairs]
    return short_call_ids(messages) if wants_short_ids(source) else messages


def _check_tokens(
    masked: Masked,
    messages: Messages,
    tools: Sequence[Mapping[str, Any]] | None,
    tokenizer: ChatTokenizer,
) -> None:
    """Raises UnfitError unless the chat, rendered and tokenized, begins with the run's tokens.

    Arguments and parameters are read from their JSON text, and what is None is left out, as
    axolotl does. Of a run in windows the first is compared.
    """
    offered = None if tools is None else [_read(tool, "parameters") for tool in tools]
    turns = [_turn(message) for message in messages]
    try:
        text = apply(tokenizer, tokenizer.template(offered), turns, offered)
    except TEMPLATE_ERRORS as error:
        raise UnfitError("the chat template fails on the chat as axolotl hands it on") from error
    (encoding,) = tokenizer.backend.encode_batch_fast([text], add_special_tokens=False)
    expected = masked.rows[0].input_ids
    common = min(len(encoding.ids), len(expected))
    if encoding.ids[:common] != expected[:common].tolist():
        raise UnfitError("axolotl would make other tokens of it than were masked")


def _check_content(
    masked: Masked, chat: Conversation, messages: Messages, tokenizer: ChatTokenizer
) -> None:
    """Raises UnfitError unless the content of each trained step, tokenized alone, is what the
    span of the step holds before its end-of-turn token: so axolotl counts its offsets."""
    ids = {
        span.step_index: row.input_ids[span.start : span.end]
        for row in masked.rows
        for span in row.spans
        if span.trained
    }
    places = [place for place, message in enumerate(messages) if message["train"]]
    texts = [messages[place]["content"] for place in places]
    alone = tokenizer.backend.encode_batch_fast(texts, add_special_tokens=False)
    for place, encoding in zip(places, alone, strict=True):
        expected = ids[chat.turns[place].step_index].tolist()
        if encoding.ids != expected[:-1]:
            raise UnfitError(
                "the content of a trained step has other tokens by itself than in the chat",
                f"message {place}",
            )


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
        _by_message,
        AXOLOTL_MESSAGES,
        pa.schema({"messages": pa.list_(pa.struct(PLAIN)), "tools": pa.list_(TOOL)}),
        chats=True,
        renders=True,
    ),
    Format(
        FormatName.AXOLOTL_SPANS,
        _by_characters,
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
        renders=True,
    ),
)
