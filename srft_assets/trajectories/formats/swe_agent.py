"""SWE-agent: `.traj` files of 0.x and 1.x, and the rows of nebius/SWE-agent-trajectories.

In a `.traj` the chat is `history`. `trajectory` is the same run as action, observation and
response; in 1.x each of its steps repeats the messages before it, which are not read.
"""

import re
from functools import partial
from typing import Any

from srft_assets.trajectories.model import Trajectory, text_of
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    RecordError,
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

V0, V1, NEBIUS = "swe-agent-0.x", "swe-agent-1.x", "nebius-swe-agent"
CLOSING_WORDS = re.compile(
    r"Exit due to (?:[a-z /_-]{1,80}[.:]?|(?:retry|environment|runtime|unknown) error: .*)"
    r"|Exiting due to forfeit",
    re.IGNORECASE | re.DOTALL,
)
"""What SWE-agent writes in the assistant's name where a limit or an error ends the run. 1.x lets
an observation follow, `Exited (autosubmitted)`, which no model has read."""


def is_traj(record: dict[str, Any], path: str) -> bool:
    """A `.traj` of either generation. 0.x has a text protocol, and the task in the file's name."""
    if holds(record.get("history"), "role", "content") and "messages" not in record:
        return True
    steps = record.get("trajectory")
    stated = "info" in record or "environment" in record
    return stated and (steps == [] or holds(steps, "action", "observation"))


def is_v1(record: dict[str, Any], path: str) -> bool:
    """A `.traj` with typed messages, a replay configuration, or a stated version."""
    if not is_traj(record, path):
        return False
    info = record.get("info")
    return (
        "replay_config" in record
        or holds(record.get("history"), "message_type")
        or (isinstance(info, dict) and "swe_agent_version" in info)
    )


def is_nebius(record: dict[str, Any], path: str) -> bool:
    """A `trajectory` of entries with role, text and system_prompt."""
    return holds(record.get("trajectory"), "role", "text")


def _read_traj(record: dict[str, Any], source: Source, format_name: str) -> Trajectory:
    info = section(record, "info")
    steps = listing(record, "trajectory") or []
    raw_messages = listing(record, "history") or _chat_of_steps(steps)
    raw_messages = _with_missing_tail([_message(m) for m in raw_messages], steps)
    stated = identifier(section(record, "replay_config", "problem_statement"), "id")
    facts = Facts(
        instance_id=identifier(record, "instance_id") or stated or source.stem,
        scaffold="swe-agent",
        model=text(section(record, "replay_config", "agent", "model"), "name"),
        exit_status=text(info, "exit_status"),
        submission=text(info, "submission"),
    )
    return assemble(source, format_name, _without_closing(raw_messages), facts, field="history")


def _read_nebius(record: dict[str, Any], source: Source) -> Trajectory:
    """Roles are system, user and ai; `target` is the outcome."""
    raw_messages = [_nebius_message(entry) for entry in listing(record, "trajectory") or []]
    facts = Facts(
        instance_id=identifier(record, "instance_id"),
        scaffold="swe-agent",
        model=text(record, "model_name"),
        exit_status=text(record, "exit_status"),
        submission=text(record, "generated_patch"),
        resolved=outcome(record, "target"),
    )
    return assemble(source, NEBIUS, _without_closing(raw_messages), facts, field="trajectory")


READERS = (
    Reader(V1, is_v1, partial(_read_traj, format_name=V1)),
    Reader(V0, is_traj, partial(_read_traj, format_name=V0)),
    Reader(NEBIUS, is_nebius, _read_nebius),
)


def _nebius_message(entry: Any) -> Any:
    """The system prompt has a column of its own."""
    if not isinstance(entry, dict):
        return entry
    content = entry.get("text")
    if content is None:
        content = entry.get("system_prompt")
    return {"role": entry.get("role"), "content": content}


def _message(raw: Any) -> Any:
    """Tool results name their call in a list, `tool_call_ids`."""
    calls = raw.get("tool_call_ids") if isinstance(raw, dict) else None
    return {**raw, "tool_call_id": calls[0]} if isinstance(calls, list) and calls else raw


def _without_closing(messages: list[Any]) -> list[Any]:
    """The messages without the last turn, and what follows it, where the scaffold spoke it."""
    for place in reversed(range(len(messages))):
        if _is_closing(messages[place]):
            return _without_closing(messages[:place])
        if not isinstance(messages[place], dict) or messages[place].get("role") != "user":
            break
    return messages


def _is_closing(raw: Any) -> bool:
    if not isinstance(raw, dict) or raw.get("role") not in ("assistant", "ai"):
        return False
    content = raw.get("content")
    return isinstance(content, str) and CLOSING_WORDS.fullmatch(content.strip()) is not None


def _chat_of_steps(steps: list[Any]) -> list[Any]:
    """The chat of a file without `history`: the last step's messages, if it has them."""
    for step in reversed(steps):
        if not isinstance(step, dict):
            raise wrong_type("trajectory[]", step, "an object")
        for field in ("messages", "query"):
            if holds(step.get(field), "role"):
                return step[field]
    return []


def _with_missing_tail(messages: list[Any], steps: list[Any]) -> list[Any]:
    """Add the turns at the end of `trajectory` that the chat lacks.

    Early 1.x left the submitting turn out of the history.
    """
    turns = [m for m in messages if isinstance(m, dict) and m.get("role") == "assistant"]
    last = text_of(turns[-1].get("content")) if turns else None
    known = [place for place, step in enumerate(steps) if _response(step) == last]
    if turns and not known:
        return messages
    missing = [step for step in steps[known[-1] + 1 if known else 0 :] if _response(step)]
    calls = any(turn.get("tool_calls") for turn in turns)
    for place, step in enumerate(missing):
        messages = messages + _turn(step, f"call_missing_{place}" if calls else None)
    return messages


def _response(step: Any) -> str:
    if not isinstance(step, dict):
        raise wrong_type("trajectory[]", step, "an object")
    response = step.get("response")
    if response is not None and not isinstance(response, str):
        raise RecordError("field 'trajectory[].response' is no text")
    return response or ""


def _turn(step: dict[str, Any], call_id: str | None) -> list[dict[str, Any]]:
    """Turn and observation of a step. With tool calls, only a bare word can be told apart."""
    turn: dict[str, Any] = {"role": "assistant", "content": step["response"]}
    observation = {"role": "user", "content": step.get("observation")}
    action = step.get("action")
    word = action.strip() if isinstance(action, str) else ""
    if call_id is not None and word.isidentifier():
        function = {"name": word, "arguments": "{}"}
        turn["tool_calls"] = [{"type": "function", "id": call_id, "function": function}]
        observation |= {"role": "tool", "tool_call_id": call_id}
    return [turn, observation] if observation["content"] else [turn]
