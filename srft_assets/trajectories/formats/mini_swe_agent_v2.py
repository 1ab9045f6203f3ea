"""mini-swe-agent 2.x `.traj.json`: `mini-swe-agent-1.1`, with tool calls or text.

A turn that breaks the format is not in the messages (the model never sees it again); the
reminder that answers it is, and stands among the observations of the turn before.
"""

from typing import Any

from srft_assets.trajectories.fields import listing, text, wrong_type
from srft_assets.trajectories.formats.mini_swe_agent_v1 import facts_of, without_exit
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Source, assemble

NAME = "mini-swe-agent-1.1"
BASH_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Execute a bash command",
        "parameters": {
            "type": "object",
            "properties": {
                "command": {"type": "string", "description": "The bash command to execute"}
            },
            "required": ["command"],
        },
    },
}
"""The one tool that mini-swe-agent 2.x offers; its files do not repeat it."""


def detect(record: Any, hint: str) -> bool:
    """The stated format, or a stated version 2 of the scaffold."""
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        return False
    stated, info = record.get("trajectory_format"), record.get("info")
    if isinstance(stated, str):
        return stated.startswith(("mini-swe-agent-1.", "mini-swe-agent-2"))
    version = info.get("mini_version") if isinstance(info, dict) else None
    return isinstance(version, str) and version.startswith("2.")


def read(record: Any, source: Source) -> Trajectory:
    """The run of one file. Raises RecordError."""
    if not isinstance(record, dict):
        raise wrong_type("record", record, "an object")
    raw_messages = listing(record, "messages") or []
    facts = facts_of(record, source)
    ending = _ending(raw_messages)
    facts.exit_status = facts.exit_status or text(ending, "exit_status") or None
    if facts.submission is None and facts.exit_status is not None:
        facts.submission = text(ending, "submission")
    raw_messages = from_responses(without_exit(raw_messages))
    if any(isinstance(m, dict) and m.get("tool_calls") for m in raw_messages):
        facts.tools = [BASH_TOOL]
    return assemble(source, NAME, raw_messages, facts, _codes(raw_messages))


def _ending(raw_messages: list[Any]) -> dict[str, Any]:
    last = raw_messages[-1] if raw_messages else None
    extra = last.get("extra") if isinstance(last, dict) and last.get("role") == "exit" else None
    return extra if isinstance(extra, dict) else {}


def _codes(raw_messages: list[Any]) -> dict[int, int | None]:
    codes: dict[int, int | None] = {}
    for place, message in enumerate(raw_messages):
        extra = message.get("extra") if isinstance(message, dict) else None
        if isinstance(extra, dict) and isinstance(extra.get("returncode"), int):
            codes[place] = extra["returncode"]
    return codes


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
