"""OpenAI-style `messages` rows and bare message lists of any origin: asked last."""

from typing import Any

from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.readers.message_row import chat_column, read_row
from srft_assets.trajectories.reading import Facts, Source, assemble, holds

NAME = "messages"


def detect(record: Any, hint: str) -> bool:
    """A chat, bare or in a column."""
    return holds(record, "role") if isinstance(record, list) else chat_column(record) is not None


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row or file. Raises RecordError."""
    if isinstance(record, list):
        return assemble(source, NAME, record, Facts(instance_id=source.stem))
    return read_row(record, source, NAME)
