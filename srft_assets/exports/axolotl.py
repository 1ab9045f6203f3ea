"""Formats of axolotl's `chat_template`, which masks by message or by characters.

https://docs.axolotl.ai/docs/dataset-formats/conversation.html. axolotl renders and tokenizes
itself, and finds what is trained by comparing renderings, so tokens at the edges of a turn may
differ from ours. `axolotl-tokens` has the verified ones.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from srft_assets.exports.conversation import Conversation, conversation_of
from srft_assets.exports.errors import UnfitError
from srft_assets.exports.messages import PLAIN, plain_message, trains
from srft_assets.exports.shards import ParquetShards, Shards
from srft_assets.exports.source import Masked

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
    message = pa.struct(PLAIN)

    def shards(self, folder: Path, limit: int) -> Shards:
        """Parquet."""
        messages = pa.list_(self.message)
        return ParquetShards(
            folder, limit, pa.schema({"messages": messages, "tools": pa.list_(TOOL)})
        )

    def records(self, masked: Masked) -> Iterator[dict[str, Any]]:
        """One record a run that trains a step."""
        chat = conversation_of(masked)
        if trains(chat):
            yield {"messages": self._messages(chat), "tools": _tools(chat.tools)}

    def _messages(self, chat: Conversation) -> list[dict[str, Any]]:
        messages = [plain_message(*told) for told in chat.told()]
        for place, message in enumerate(messages):
            _check_arguments(place, message)
        return messages


class AxolotlSpansFormat(AxolotlMessagesFormat):
    """As messages, with `train_detail`: the characters of a turn's content that are trained.

    `end_offset` is that of the last character. A masked turn has no detail at all: with one, even
    one that trains nothing, axolotl would train its end-of-turn token.
    """

    name = "axolotl-spans"
    message = pa.struct({**PLAIN, "train_detail": pa.list_(pa.struct(OFFSETS))})

    def _messages(self, chat: Conversation) -> list[dict[str, Any]]:
        messages = super()._messages(chat)
        for place, message in enumerate(messages):
            if message["train"]:
                message["train_detail"] = [_whole(place, message)]
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
