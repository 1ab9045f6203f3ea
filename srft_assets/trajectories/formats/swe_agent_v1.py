"""SWE-agent 1.x `.traj`: typed messages, tool calls or text, a replay configuration."""

from typing import Any

from srft_assets.trajectories.formats.swe_agent_v0 import is_traj, read_traj
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Source, holds

NAME = "swe-agent-1.x"


def detect(record: Any, hint: str) -> bool:
    """A `.traj` with `message_type`, a replay configuration, or a stated version."""
    if not is_traj(record):
        return False
    info = record.get("info")
    return (
        "replay_config" in record
        or holds(record.get("history"), "message_type")
        or (isinstance(info, dict) and "swe_agent_version" in info)
    )


def read(record: Any, source: Source) -> Trajectory:
    """The run of one file. Raises RecordError."""
    return read_traj(record, source, NAME)
