"""mini-coder rows: mini-swe-agent runs; `verified` says that the patch passed the tests."""

from typing import Any

from srft_assets.trajectories.fields import outcome
from srft_assets.trajectories.formats.messages import chat_column, read_row
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Source

NAME = "mini-coder"


def detect(record: Any, hint: str) -> bool:
    """A chat with `verified`."""
    return chat_column(record) == "messages" and "verified" in record


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row. Raises RecordError."""
    verified = outcome(record, "verified", "resolved") if isinstance(record, dict) else None
    return read_row(record, source, NAME, "mini-swe-agent", resolved=verified)
