"""nvidia/Open-SWE-Traces rows: `resolved` is 1, 0, or -1 for unknown; `agent` the scaffold."""

from typing import Any

from srft_assets.trajectories.fields import text
from srft_assets.trajectories.formats.messages import chat_column, read_row
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import UNKNOWN, Source

NAME = "open-swe-traces"
SCAFFOLDS = {"openhands": "openhands", "sweagent": "swe-agent", "swe-agent": "swe-agent"}


def detect(record: Any, hint: str) -> bool:
    """A chat with `tools` and an outcome that is a number."""
    if chat_column(record) is None or "tools" not in record:
        return False
    return isinstance(record.get("resolved"), int) and not isinstance(record["resolved"], bool)


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row. Raises RecordError."""
    agent = text(record, "agent") if isinstance(record, dict) else None
    scaffold = SCAFFOLDS.get((agent or "").lower(), UNKNOWN)
    return read_row(record, source, NAME, scaffold)
