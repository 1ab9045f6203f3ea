"""nebius/SWE-agent-trajectories rows: roles system, user, ai; `target` is the outcome."""

from typing import Any

from srft_assets.trajectories.fields import identifier, listing, outcome, text, wrong_type
from srft_assets.trajectories.formats.swe_agent_v0 import CLOSING_WORDS
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Facts, Source, assemble, holds

NAME = "nebius-swe-agent"


def detect(record: Any, hint: str) -> bool:
    """A `trajectory` of entries with role, text and system_prompt."""
    return isinstance(record, dict) and holds(record.get("trajectory"), "role", "text")


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row. Raises RecordError."""
    if not isinstance(record, dict):
        raise wrong_type("record", record, "an object")
    entries = listing(record, "trajectory") or []
    raw_messages = [_message(entry) for entry in entries]
    while raw_messages and _is_closing(raw_messages[-1]):
        raw_messages.pop()
    facts = Facts(
        instance_id=identifier(record, "instance_id"),
        scaffold="swe-agent",
        model=text(record, "model_name"),
        exit_status=text(record, "exit_status"),
        submission=text(record, "generated_patch"),
        resolved=outcome(record, "target"),
    )
    return assemble(source, NAME, raw_messages, facts, field="trajectory")


def _message(entry: Any) -> Any:
    """The system prompt has a column of its own."""
    if not isinstance(entry, dict):
        return entry
    content = entry.get("text")
    return {
        "role": entry.get("role"),
        "content": entry.get("system_prompt") if content is None else content,
    }


def _is_closing(message: Any) -> bool:
    """Whether SWE-agent itself spoke last, in the model's name."""
    if not isinstance(message, dict) or message["role"] != "ai":
        return False
    content = message["content"]
    return isinstance(content, str) and CLOSING_WORDS.fullmatch(content.strip()) is not None
