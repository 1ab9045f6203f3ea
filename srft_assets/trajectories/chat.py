"""From the messages of a source to loss-free OpenAI chat messages."""

from typing import Any

from srft_assets.trajectories.fields import RecordError, kind_of, parsed, quoted, wrong_type
from srft_assets.trajectories.model import Message

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
}
KEPT = frozenset(
    {"name", "tool_calls", "tool_call_id", "function_call", "refusal"}
    | {"reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks"}
)
"""Keys of a message beside role and content that a chat template or a critic may want."""
DEMONSTRATION = "is_demo"
"""Marks a message of a worked example: context for the model, never a step of the run."""


def chat(raw_messages: list[Any], field: str = "messages") -> list[Message]:
    """The same messages with canonical roles and without the scaffold's own keys.

    `content` stays as it came (text, None or a list of parts). Null and empty keys are left
    out: a Parquet column of structs has them in every row. Raises RecordError for an unknown
    role, for a wrong type, and where no assistant ever speaks.
    """
    messages = [_message(raw, field, place) for place, raw in enumerate(raw_messages)]
    if not any(m["role"] == "assistant" and DEMONSTRATION not in m for m in messages):
        raise RecordError(f"no assistant turn among the {len(messages)} of field '{field}'")
    return messages


def _message(raw: Any, field: str, place: int) -> Message:
    if not isinstance(raw, dict):
        raise wrong_type(f"{field}[{place}]", raw, "an object")
    stated = raw.get("role")
    role = ROLES.get(stated) if isinstance(stated, str) else None
    if role is None:
        raise _bad_role(stated, f"{field}[{place}]")
    content = raw.get("content")
    if content is not None and not isinstance(content, str):
        _check_parts(content, f"{field}[{place}].content")
    message: Message = {"role": role, "content": content}
    if not KEPT.isdisjoint(raw):
        for key, value in raw.items():
            if key in KEPT and value is not None and value != [] and value != "":
                message[key] = value
        if len(message) > 2:
            _check_calls(message, f"{field}[{place}]")
    if raw.get(DEMONSTRATION):
        message[DEMONSTRATION] = True
    return message


def _bad_role(stated: object, where: str) -> RecordError:
    if stated is None:
        return RecordError(f"'{where}' has no role")
    if not isinstance(stated, str):
        return wrong_type(f"{where}.role", stated, "text")
    known = ", ".join(dict.fromkeys(ROLES))
    return RecordError(f"unknown role {quoted(stated)} in '{where}'; known roles: {known}")


def _check_parts(content: object, where: str) -> None:
    if not isinstance(content, list):
        raise wrong_type(where, content, "text, null or a list of parts")
    for part in content:
        if not isinstance(part, dict | str):
            raise wrong_type(f"{where}[]", part, "an object")
        if isinstance(part, dict) and not isinstance(part.get("text", ""), str | None):
            raise wrong_type(f"{where}[].text", part["text"], "text")


def _check_calls(message: Message, where: str) -> None:
    for key in ("name", "tool_call_id"):
        if not isinstance(message.get(key, ""), str):
            raise wrong_type(f"{where}.{key}", message[key], "text")
    if not isinstance(message.get("function_call", {}), dict):
        raise wrong_type(f"{where}.function_call", message["function_call"], "an object")
    if "tool_calls" in message:
        message["tool_calls"] = _tool_calls(message["tool_calls"], f"{where}.tool_calls")


def _tool_calls(value: object, where: str) -> list[dict[str, Any]]:
    calls = parsed(where, value) if isinstance(value, str) else value
    if not isinstance(calls, list):
        raise wrong_type(where, calls, "a list")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RecordError(f"field '{where}' holds {kind_of(call)} that names no function")
    return calls


def text_of(content: object) -> str:
    """What a person reads of a message's content: its text parts, one after the other."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(_part_text(part) for part in content)


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise RecordError(
            f"field 'content' holds a part that is {kind_of(part)}, not text or object"
        )
    text = part.get("text")
    return text if isinstance(text, str) else f"[{part.get('type') or 'part'}]"
