"""Rows with an OpenAI-style chat under the column names that data sets use, and bare message
lists, of any origin: asked last.
"""

from typing import Any

from srft_assets.trajectories.fields import identifier, listing, outcome, text, tools, wrong_type
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import UNKNOWN, Facts, Source, assemble, holds

NAME = "messages"


def detect(record: Any, hint: str) -> bool:
    """A chat, bare or in a column."""
    return holds(record, "role") if isinstance(record, list) else chat_column(record) is not None


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row or file. Raises RecordError."""
    if isinstance(record, list):
        return assemble(source, NAME, record, Facts(instance_id=source.stem))
    return read_row(record, source, NAME)


COLUMNS = ("messages", "trajectory")


def chat_column(record: Any) -> str | None:
    """The column that holds a chat (a list of messages, or one as JSON text); None if none."""
    if not isinstance(record, dict):
        return None
    for name in COLUMNS:
        value = record.get(name)
        if value == [] or holds(value, "role"):
            return name
        if isinstance(value, str) and value[:200].lstrip()[:1] == "[" and '"role"' in value:
            return name
    return None


def read_row(
    record: Any,
    source: Source,
    format_name: str,
    scaffold: str = UNKNOWN,
    **stated: Any,
) -> Trajectory:
    """The run of one row; `stated` facts go before the columns. Raises RecordError."""
    if not isinstance(record, dict):
        raise wrong_type("record", record, "an object")
    column = chat_column(record) or next((n for n in COLUMNS if n in record), COLUMNS[0])
    facts = {
        "instance_id": identifier(record, "instance_id"),
        "scaffold": scaffold,
        "model": text(record, "model", "model_name", "model_name_or_path"),
        "exit_status": text(record, "exit_status"),
        "submission": text(record, "patch", "model_patch", "git_patch", "submission"),
        "resolved": outcome(record, "resolved"),
        "tools": tools(record),
        "stated_id": identifier(record, "traj_id", "trajectory_id"),
    }
    raw_messages = listing(record, column) or []
    return assemble(source, format_name, raw_messages, Facts(**(facts | stated)), field=column)
