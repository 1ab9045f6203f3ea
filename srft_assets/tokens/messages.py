"""Canonical messages as chat templates expect them."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson

from srft_assets.tokens.errors import RunRefusedError
from srft_assets.trajectories.model import Message

Arguments = Literal["mapping", "text", "written out"]
"""How tool calls reach the template: arguments as a dict, arguments as JSON text, or the whole
call written into the content, for a template that knows no tool calls."""

REASONING = ("reasoning_content", "thinking", "reasoning")
"""Names of the field that holds a model's thinking, in the order that transformers reads them."""

PLAIN_KEYS = ("role", "name", "tool_call_id")


def arguments_forms(template: str) -> tuple[Arguments, ...]:
    """The forms to try in turn. Most templates want a dict, DeepSeek's want the JSON text."""
    return ("mapping", "text") if "tool_calls" in template else ("written out",)


def for_template(messages: Sequence[Message], arguments: Arguments) -> list[Message]:
    """Copies of the messages with text content and the given form of tool calls.

    Raises RunRefusedError for content that is not text.
    """
    return [_convert(index, message, arguments) for index, message in enumerate(messages)]


def text_of(content: object, where: str) -> str:
    """Content as one string: None is empty, parts of text are joined.

    Raises RunRefusedError for images and other parts that no token stands for.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part_text(part, where) for part in content)
    raise RunRefusedError(f"{where} has content of type {type(content).__name__}")


def call_of(call: dict[str, Any]) -> tuple[str, object]:
    """Name and arguments of a tool call; JSON text that holds an object is read."""
    function = call.get("function") or call
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            parsed = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            return str(function.get("name", "")), arguments
        arguments = parsed if isinstance(parsed, dict) else arguments
    return str(function.get("name", "")), {} if arguments is None else arguments


def _convert(index: int, message: Message, arguments: Arguments) -> Message:
    where = f"message {index} ({message.get('role')})"
    plain = {key: message[key] for key in PLAIN_KEYS if message.get(key) is not None}
    plain["content"] = text_of(message.get("content"), where)
    reasoning = next((message[key] for key in REASONING if message.get(key)), None)
    if reasoning is not None:
        plain |= {"reasoning_content": str(reasoning), "thinking": str(reasoning)}
    calls = [_call(call, arguments) for call in message.get("tool_calls") or []]
    if calls and arguments == "written out":
        written = [f"<tool_call>\n{_json(call['function'])}\n</tool_call>" for call in calls]
        plain["content"] = "\n".join([plain["content"], *written] if plain["content"] else written)
    elif calls:
        plain["tool_calls"] = calls
    return plain


def _call(call: dict[str, Any], form: Arguments) -> dict[str, Any]:
    name, arguments = call_of(call)
    if form == "text" and not isinstance(arguments, str):
        arguments = _json(arguments)
    plain = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"id": call["id"], **plain} if call.get("id") else plain


def _part_text(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise RunRefusedError(f"{where} holds a part that is not text: {kind}")


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
