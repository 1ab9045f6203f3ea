"""StephenZhu/SWE-Play-trajectories rows: OpenHands runs without outcome or patch."""

from typing import Any

from srft_assets.trajectories.fields import identifier
from srft_assets.trajectories.formats.messages import chat_column, read_row
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Source

NAME = "swe-play"


def detect(record: Any, hint: str) -> bool:
    """A chat with `category` and `source` and no instance."""
    return (
        chat_column(record) == "messages"
        and "category" in record
        and "source" in record
        and "instance_id" not in record
    )


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row; the set numbers no tasks. Raises RecordError."""
    if not isinstance(record, dict):
        return read_row(record, source, NAME)
    return read_row(record, source, NAME, "openhands", instance_id=identifier(record, "id"))
