"""Formats of axolotl's `chat_template`, which masks by message or by characters.

https://docs.axolotl.ai/docs/dataset-formats/conversation.html. axolotl renders and tokenizes
itself: a run is exported only if that gives the tokens that were masked. What of a turn is trained
axolotl finds by comparing renderings, so tokens at its edges may differ from ours;
`axolotl-tokens` has exactly those that were verified.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from srft_assets.exports.conversation import Conversation, conversation_of
from srft_assets.exports.errors import UnfitError
from srft_assets.exports.messages import PLAIN, plain_message, trains
from srft_assets.exports.rendered import Messages, as_masked, check_content, check_tokens
from srft_assets.exports.shards import ParquetShards, Shards
from srft_assets.exports.source import Masked
from srft_assets.tokens.tokenizer import ChatTokenizer

OFFSETS: dict[str, pa.DataType] = {
    "begin_offset": pa.int32(),
    "end_offset": pa.int32(),
    "train": pa.bool_(),
}
TOLD = ("name", "description", "parameters")
TOOL = pa.struct({"type": pa.string(), "function": pa.struct(dict.fromkeys(TOLD, pa.string()))})


class AxolotlMessagesFormat:
    """`messages[].train`, and tools whose parameters are JSON text."""

    name = "axolotl-messages"
    chats = True
    untrained = False
    weights = False
    renders = True
    message = pa.struct(PLAIN)

    def shards(self, folder: Path, limit: int) -> Shards:
        """Parquet."""
        messages = pa.list_(self.message)
        return ParquetShards(
            folder, limit, pa.schema({"messages": messages, "tools": pa.list_(TOOL)})
        )

    def records(
        self, masked: Masked, tokenizer: ChatTokenizer | None = None
    ) -> Iterator[dict[str, Any]]:
        """One record a run that trains a step, and that renders to the tokens of the masks."""
        if tokenizer is None:
            raise ValueError("chats are checked with the tokenizer of the masks")
        chat = conversation_of(masked, whole=True)
        if trains(chat):
            messages, tools = _messages(chat, tokenizer), _tools(chat.tools)
            check_tokens(masked, messages, tools, tokenizer)
            self.mark(masked, chat, messages, tokenizer)
            yield {"messages": messages, "tools": tools}

    def mark(
        self, masked: Masked, chat: Conversation, messages: Messages, tokenizer: ChatTokenizer
    ) -> None:
        """Add what the format says of trained messages beside `train`: nothing."""


class AxolotlSpansFormat(AxolotlMessagesFormat):
    """As messages, with `train_detail`: the characters of a turn's content that are trained.

    `end_offset` is that of the last character. A masked turn has no detail at all: with one, even
    one that trains nothing, axolotl would train its end-of-turn token.
    """

    name = "axolotl-spans"
    message = pa.struct({**PLAIN, "train_detail": pa.list_(pa.struct(OFFSETS))})

    def mark(
        self, masked: Masked, chat: Conversation, messages: Messages, tokenizer: ChatTokenizer
    ) -> None:
        """Add `train_detail`. Raises UnfitError where offsets would train other tokens."""
        for place, message in enumerate(messages):
            if message["train"]:
                message["train_detail"] = [_whole(place, message)]
        check_content(masked, chat, messages, tokenizer)


def _messages(chat: Conversation, tokenizer: ChatTokenizer) -> Messages:
    plain = [plain_message(*told) for told in chat.told()]
    messages = as_masked(chat, plain, tokenizer)
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


def _tools(tools: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return None if tools is None else [_tool(tool) for tool in tools]


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = {key: value for key, value in tool.get("function", {}).items() if value is not None}
    if not function or set(function) - set(TOLD) or set(tool) - {"type", "function"}:
        known = "type, function.name, function.description and function.parameters"
        raise UnfitError(f"a tool's schema has other keys than {known}")
    if "parameters" in function:
        function["parameters"] = orjson.dumps(function["parameters"]).decode()
    return {"type": tool.get("type", "function"), "function": function}
