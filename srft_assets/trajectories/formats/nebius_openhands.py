"""nebius/SWE-rebench-openhands-trajectories rows (and SWE-Zero's): `trajectory` is the chat."""

from typing import Any

from srft_assets.trajectories.formats.messages import chat_column, read_row
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Source

NAME = "nebius-openhands"


def detect(record: Any, hint: str) -> bool:
    """A chat in `trajectory` with a `trajectory_id`, without the agent's name beside it."""
    return (
        chat_column(record) == "trajectory" and "trajectory_id" in record and "agent" not in record
    )


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row. Raises RecordError."""
    return read_row(record, source, NAME, "openhands")
