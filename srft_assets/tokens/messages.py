"""Canonical messages as chat templates expect them."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import orjson

from srft_assets.tokens.row import RunRefusedError
from srft_assets.trajectories.model import Message

Arguments = Literal["mapping", "text", "written out"]
"""How tool calls reach the template: arguments as a dict, arguments as JSON text, or the whole
call written into the content, for a template that knows no tool calls."""

REASONING = ("reasoning_content", "thinking", "reasoning")
"""Names of the field that holds a model's thinking, in the order that transformers reads them."""

PLAIN_KEYS = ("role", "name", "tool_call_id")

SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")
"""An id of a tool call as Mistral's templates take it."""
ASKS_FOR_SHORT_IDS = re.compile(r"id\s*\|\s*length\s*!=\s*9")


class Form(NamedTuple):
    """How messages are handed to a template.

    `silent` is the content of a turn that only calls tools: some templates want None there.
    """

    arguments: Arguments
    silent: str | None = ""


WRITTEN_OUT = Form("written out")
NATIVE = (Form("mapping"), Form("text"), Form("mapping", None), Form("text", None))
"""Most templates want a dict; DeepSeek's want JSON text, and no content beside tool calls."""


def forms(source: str, messages: Sequence[Message]) -> tuple[Form, ...]:
    """The forms to try in turn on a template and a run; the first that renders all of it holds."""
    calling = [message for message in messages if _calls(message)]
    if "tool_calls" not in source:
        return (WRITTEN_OUT,)
    if not calling:
        return NATIVE[:1]
    silent = any(not message.get("content") for message in calling)
    return NATIVE if silent else NATIVE[:2]


def for_template(messages: Sequence[Message], form: Form, source: str = "") -> list[Message]:
    """Copies of the messages with text content and the given form of tool calls.

    Ids of tool calls are shortened for a template that wants nine characters. Raises
    RunRefusedError for content that is not text.
    """
    plain = [_convert(index, message, form) for index, message in enumerate(messages)]
    return short_call_ids(plain) if wants_short_ids(source) else plain


def wants_short_ids(source: str) -> bool:
    """Whether a template refuses ids of tool calls that have not nine letters and digits."""
    return ASKS_FOR_SHORT_IDS.search(source) is not None


def short_call_ids(messages: Sequence[Message]) -> list[Message]:
    """Copies in which every tool call has a short id, and every tool result that of its call.

    An id stands for nothing but itself, so another one says the same. It is derived from the old
    one, or from the call's place where there was none; results without an id answer in order.
    """
    waiting: list[str] = []
    changed = []
    for index, message in enumerate(messages):
        if message.get("tool_calls"):
            ids = [_short_id(c.get("id"), index, at) for at, c in enumerate(message["tool_calls"])]
            calls = zip(message["tool_calls"], ids, strict=True)
            changed.append({**message, "tool_calls": [{**call, "id": own} for call, own in calls]})
            waiting = list(ids)
        elif message["role"] == "tool":
            stated = message.get("tool_call_id")
            own = _short_id(stated, index, 0) if stated or not waiting else waiting[0]
            waiting = [one for one in waiting if one != own]
            changed.append({**message, "tool_call_id": own})
        else:
            changed.append(message)
    return changed


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


def _convert(index: int, message: Message, form: Form) -> Message:
    where = f"message {index} ({message.get('role')})"
    plain = {key: message[key] for key in PLAIN_KEYS if message.get(key) is not None}
    plain["content"] = text_of(message.get("content"), where)
    reasoning = next((message[key] for key in REASONING if message.get(key)), None)
    if reasoning is not None:
        plain |= {"reasoning_content": str(reasoning), "thinking": str(reasoning)}
    calls = [_call(call, form.arguments) for call in _calls(message)]
    if calls and form == WRITTEN_OUT:
        written = [f"<tool_call>\n{_json(call['function'])}\n</tool_call>" for call in calls]
        plain["content"] = "\n".join([plain["content"], *written] if plain["content"] else written)
    elif calls:
        plain["content"] = plain["content"] or form.silent
        plain["tool_calls"] = calls
    return plain


def _calls(message: Message) -> list[dict[str, Any]]:
    """The tool calls of a turn. The one call of the older `function_call` counts like any other:
    templates do not know that key, and would leave the turn without its action.
    """
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    older = message.get("function_call")
    return calls if calls or not older else [{"function": older}]


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


def _short_id(stated: str | None, index: int, place: int) -> str:
    if stated and SHORT_ID.fullmatch(stated):
        return stated
    return hashlib.sha256((stated or f"{index}.{place}").encode()).hexdigest()[:9]
