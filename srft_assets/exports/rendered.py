"""Whether a trainer that renders a chat itself comes to the very tokens that were masked."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from srft_assets.exports.conversation import Conversation
from srft_assets.exports.errors import UnfitError
from srft_assets.exports.source import Masked
from srft_assets.home import Home
from srft_assets.tokens.messages import (
    WRITTEN_OUT,
    for_template,
    forms,
    short_call_ids,
    wants_short_ids,
)
from srft_assets.tokens.template import TEMPLATE_ERRORS, apply
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer, model_source
from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import Warehouse

Messages = list[dict[str, Any]]


def tokenizer_of(home: Home, stamp: Stamp) -> ChatTokenizer:
    """The tokenizer that a `masked_tokens` partition was made with. Raises SrftError."""
    model = str(stamp.recipe.config.get("model"))
    return load_tokenizer(model_source(model, home, Warehouse(home.warehouse).read))


def as_masked(chat: Conversation, messages: Messages, tokenizer: ChatTokenizer) -> Messages:
    """The messages as the template was given them when the run was masked: tool calls written
    into the content for a template that knows none, ids of calls as short as it wants them."""
    source = tokenizer.template(chat.tools)
    if forms(source, chat.messages) == (WRITTEN_OUT,):
        written = for_template(chat.messages, WRITTEN_OUT)
        pairs = zip(messages, written, strict=True)
        return [message | {"content": one["content"], "tool_calls": None} for message, one in pairs]
    return short_call_ids(messages) if wants_short_ids(source) else messages


def check_tokens(
    masked: Masked,
    messages: Messages,
    tools: Sequence[Mapping[str, Any]] | None,
    tokenizer: ChatTokenizer,
) -> None:
    """Raises UnfitError unless the chat, rendered and tokenized, begins with the run's tokens.

    Arguments and parameters are read from their JSON text, and what is None is left out, as
    axolotl does. Of a run in windows the first is compared.
    """
    offered = None if tools is None else [_tool(tool) for tool in tools]
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


def check_content(
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


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return _read(tool, "parameters")


def _read(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A call or a tool with JSON text in its function read."""
    function = {k: v for k, v in holder["function"].items() if v is not None}
    if key in function:
        function[key] = orjson.loads(function[key])
    plain = {k: v for k, v in holder.items() if v is not None}
    return plain | {"function": function}
