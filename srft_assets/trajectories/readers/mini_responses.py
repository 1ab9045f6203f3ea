"""mini-swe-agent 2.x over OpenAI's Responses API: items instead of chat messages."""

from typing import Any

from srft_assets.trajectories.errors import wrong_type


def from_responses(raw_messages: list[Any]) -> list[Any]:
    """Chat messages in place of Responses items; chat messages stay as they are.

    A `response` object becomes an assistant message (output text, function calls, summaries of
    its reasoning), a `function_call_output` a tool message. Raises RecordError.
    """
    return [_converted(raw) if isinstance(raw, dict) else raw for raw in raw_messages]


def _converted(raw: dict[str, Any]) -> dict[str, Any]:
    if raw.get("object") == "response":
        return _assistant(raw)
    if raw.get("type") == "function_call_output":
        result = {"role": "tool", "content": raw.get("output"), "extra": raw.get("extra")}
        return {**result, "tool_call_id": raw.get("call_id")}
    if raw.get("type") == "message" and isinstance(raw.get("content"), list):
        return {**raw, "content": [_part(part) for part in raw["content"]]}
    return raw


def _part(part: Any) -> Any:
    texts = ("input_text", "output_text")
    if isinstance(part, dict) and part.get("type") in texts:
        return {"type": "text", "text": part.get("text")}
    return part


def _assistant(raw: dict[str, Any]) -> dict[str, Any]:
    output = raw.get("output")
    if not isinstance(output, list):
        raise wrong_type("messages[].output", output, "a list")
    items = [item for item in output if isinstance(item, dict)]
    said = [part for item in items if item.get("type") == "message" for part in _texts(item)]
    thought = [part for item in items for part in _texts(item, "summary")]
    message: dict[str, Any] = {"role": "assistant", "content": "\n".join(said) or None}
    if thought:
        message["reasoning_content"] = "\n".join(thought)
    message["tool_calls"] = [
        {
            "type": "function",
            "id": item.get("call_id") or item.get("id"),
            "function": {"name": item.get("name"), "arguments": item.get("arguments")},
        }
        for item in items
        if item.get("type") == "function_call"
    ]
    return message


def _texts(item: dict[str, Any], field: str = "content") -> list[str]:
    parts = item.get(field)
    if not isinstance(parts, list):
        return []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return [text for text in texts if isinstance(text, str)]
