"""SWE-bench/SWE-smith-trajectories rows: SWE-agent runs; `messages` may be JSON text."""

from typing import Any

from srft_assets.trajectories.formats.messages import chat_column, read_row
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Source

NAME = "swe-smith"


def detect(record: Any, hint: str) -> bool:
    """A chat with a `traj_id`."""
    return chat_column(record) == "messages" and "traj_id" in record


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row. Raises RecordError."""
    return read_row(record, source, NAME, "swe-agent")
