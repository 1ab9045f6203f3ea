"""SWE-agent 0.x `.traj`: text protocol, the task in the file's name."""

from typing import Any

from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.readers.swe_agent_history import is_traj, read_traj
from srft_assets.trajectories.reading import Source

NAME = "swe-agent-0.x"


def detect(record: Any, hint: str) -> bool:
    """A `.traj` without the marks of 1.x (which is asked first)."""
    return is_traj(record)


def read(record: Any, source: Source) -> Trajectory:
    """The run of one file. Raises RecordError."""
    return read_traj(record, source, NAME)
