"""mini-swe-agent 1.x `.traj.json`: `mini-swe-agent-1`, and the bare message lists before it."""

from typing import Any

from srft_assets.trajectories.fields import identifier, listing, outcome, section, text, wrong_type
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Facts, Source, assemble, holds

NAME = "mini-swe-agent-1"
SUBMITTED = "Submitted"


def detect(record: Any, hint: str) -> bool:
    """The stated format, an `info` with a `mini_version`, or a bare list in a `.traj.json`."""
    if isinstance(record, list):
        return hint.endswith(".traj.json") and holds(record, "role", "content")
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        return False
    stated, info = record.get("trajectory_format"), record.get("info")
    return (isinstance(stated, str) and stated.startswith("mini-swe-agent")) or (
        isinstance(info, dict) and ("mini_version" in info or "model_stats" in info)
    )


def read(record: Any, source: Source) -> Trajectory:
    """The run of one file. Raises RecordError."""
    if isinstance(record, list):
        facts = Facts(instance_id=source.stem, scaffold="mini-swe-agent")
        return assemble(source, NAME, without_exit(record), facts)
    if not isinstance(record, dict):
        raise wrong_type("record", record, "an object")
    facts = facts_of(record, source)
    if facts.exit_status not in (None, SUBMITTED):
        facts.submission = None  # 1.x keeps the text of the error there
    return assemble(source, NAME, without_exit(listing(record, "messages") or []), facts)


def facts_of(record: dict[str, Any], source: Source) -> Facts:
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


def without_exit(raw_messages: list[Any]) -> list[Any]:
    """The chat without `exit` messages: the scaffold's own, never shown to the model."""
    return [m for m in raw_messages if not (isinstance(m, dict) and m.get("role") == "exit")]
