"""mini-swe-agent `.traj.json`: `mini-swe-agent-1` and the bare message lists before it, and
`mini-swe-agent-1.1` of 2.x, with tool calls or text.

In 2.x a turn that breaks the format is not in the messages (the model never sees it again); the
reminder that answers it is, and stands among the observations of the turn before.
"""

from typing import Any

from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    Source,
    assemble,
    holds,
    identifier,
    listing,
    outcome,
    section,
    text,
    wrong_type,
)

V1, V2 = "mini-swe-agent-1", "mini-swe-agent-1.1"
SUBMITTED = "Submitted"
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


def is_v1(record: Any, path: str) -> bool:
    """The stated format, an `info` with a `mini_version`, or a bare list in a `.traj.json`."""
    if isinstance(record, list):
        return path.endswith(".traj.json") and holds(record, "role", "content")
    if not isinstance(record.get("messages"), list):
        return False
    stated, info = record.get("trajectory_format"), record.get("info")
    return (isinstance(stated, str) and stated.startswith("mini-swe-agent")) or (
        isinstance(info, dict) and ("mini_version" in info or "model_stats" in info)
    )


def is_v2(record: dict[str, Any], path: str) -> bool:
    """The stated format, or a stated version 2 of the scaffold."""
    if not isinstance(record.get("messages"), list):
        return False
    stated, info = record.get("trajectory_format"), record.get("info")
    if isinstance(stated, str):
        return stated.startswith(("mini-swe-agent-1.", "mini-swe-agent-2"))
    version = info.get("mini_version") if isinstance(info, dict) else None
    return isinstance(version, str) and version.startswith("2.")


def _read_v1(record: Any, source: Source) -> Trajectory:
    if isinstance(record, list):
        facts = Facts(instance_id=source.stem, scaffold="mini-swe-agent")
        return assemble(source, V1, _without_exit(record), facts)
    facts = _facts(record, source)
    if facts.exit_status not in (None, SUBMITTED):
        facts.submission = None  # 1.x keeps the text of the error there
    return assemble(source, V1, _without_exit(listing(record, "messages") or []), facts)


def _read_v2(record: dict[str, Any], source: Source) -> Trajectory:
    raw_messages = listing(record, "messages") or []
    facts = _facts(record, source)
    ending = _ending(raw_messages)
    facts.exit_status = facts.exit_status or text(ending, "exit_status") or None
    if facts.submission is None and facts.exit_status is not None:
        facts.submission = text(ending, "submission")
    raw_messages = [_of_response(raw) for raw in _without_exit(raw_messages)]
    if any(isinstance(m, dict) and m.get("tool_calls") for m in raw_messages):
        facts.tools = [BASH_TOOL]
    return assemble(source, V2, raw_messages, facts, _codes(raw_messages))


READERS = (Reader(V2, is_v2, _read_v2), Reader(V1, is_v1, _read_v1, lists=True))


def _facts(record: dict[str, Any], source: Source) -> Facts:
    """What both generations state beside the messages. Raises RecordError."""
    info = section(record, "info")
    exit_status = text(info, "exit_status") or text(record, "exit_status") or None
    submission = text(info, "submission")
    if exit_status is None and not submission:
        submission = None  # the run was killed; nothing was submitted
    return Facts(
        instance_id=identifier(record, "instance_id") or source.stem,
        scaffold="mini-swe-agent",
        model=text(section(info, "config", "model"), "model_name") or text(record, "model"),
        exit_status=exit_status,
        submission=submission,
        resolved=outcome(record, "resolved"),
    )


def _without_exit(raw_messages: list[Any]) -> list[Any]:
    """The chat without `exit` messages: the scaffold's own, never shown to the model."""
    return [m for m in raw_messages if not (isinstance(m, dict) and m.get("role") == "exit")]


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


def _of_response(raw: Any) -> Any:
    """The chat message in place of an item of OpenAI's Responses API; others stay as they are.

    A `response` object becomes an assistant message (output text, function calls, summaries of
    its reasoning), a `function_call_output` a tool message. Raises RecordError.
    """
    if not isinstance(raw, dict):
        return raw
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
