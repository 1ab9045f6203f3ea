"""Rows of data sets with an OpenAI-style chat in a column, and chats of any other origin.

A data set on the Hugging Face hub is told by its columns, and differs in who made the runs and
where it states the facts.
"""

from collections.abc import Callable, Mapping
from typing import Any

from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reader import (
    UNKNOWN,
    Facts,
    Reader,
    Source,
    assemble,
    holds,
    identifier,
    listing,
    outcome,
    section,
    text,
    tools,
)
from srft_assets.trajectories.records import unpadded

MESSAGES = "messages"
COLUMNS = ("messages", "trajectory")
SCAFFOLDS = {"openhands": "openhands", "sweagent": "swe-agent", "swe-agent": "swe-agent"}
"""As Open-SWE-Traces names them."""

Detect = Callable[[Any, str], bool]
Stated = Callable[[dict[str, Any]], dict[str, Any]]
"""Facts of a row that stand in other columns than usual."""


def chat_column(record: dict[str, Any]) -> str | None:
    """The column that holds a chat (a list of messages, or one as JSON text); None if none."""
    for name in COLUMNS:
        value = record.get(name)
        if value == [] or holds(value, "role"):
            return name
        if isinstance(value, str) and value[:200].lstrip()[:1] == "[" and '"role"' in value:
            return name
    return None


def read_row(
    record: dict[str, Any],
    source: Source,
    format_name: str,
    stated: dict[str, Any],
    codes: Mapping[int, int | None] | None = None,
) -> Trajectory:
    """The run of one row; `stated` facts go before the columns. Raises RecordError."""
    if _is_padded(record):
        record = unpadded(record)
    column = chat_column(record) or next((n for n in COLUMNS if n in record), COLUMNS[0])
    facts = {
        "instance_id": identifier(record, "instance_id"),
        "model": text(record, "model", "model_name", "model_name_or_path"),
        "exit_status": text(record, "exit_status"),
        "submission": text(record, "patch", "model_patch", "git_patch", "submission"),
        "resolved": outcome(record, "resolved"),
        "tools": tools(record),
        "stated_id": identifier(record, "traj_id", "trajectory_id"),
    }
    raw_messages = listing(record, column) or []
    return assemble(source, format_name, raw_messages, Facts(**(facts | stated)), codes, column)


def _is_padded(record: dict[str, Any]) -> bool:
    """Whether a tool has a property that is null: the row came out of a table, where each object
    of a column has the keys of all."""
    offered = record.get("tools")
    for tool in offered if isinstance(offered, list) else ():
        given = tool.get("function") if isinstance(tool, dict) else None
        schema = given.get("parameters") if isinstance(given, dict) else None
        known = schema.get("properties") if isinstance(schema, dict) else None
        if isinstance(known, dict) and None in known.values():
            return True
    return False


def _dataset(name: str, detect: Detect, scaffold: str, stated: Stated = lambda _: {}) -> Reader:
    def read(record: dict[str, Any], source: Source) -> Trajectory:
        return read_row(record, source, name, {"scaffold": scaffold} | stated(record))

    return Reader(name, detect, read)


def _chat_in(column: str, *beside: str, without: str | None = None) -> Detect:
    """Told by a chat in this column, others beside it, and one that is not there."""

    def detect(record: dict[str, Any], path: str) -> bool:
        there = chat_column(record) == column and all(name in record for name in beside)
        return there and without not in record

    return detect


def _of_swe_gym(record: dict[str, Any]) -> dict[str, Any]:
    """`run_id` names a sweep, not a run; its head is the model."""
    run = text(record, "run_id")
    head, mark, _ = (run or "").partition("_maxiter")
    return {
        "model": head if mark else text(record, "model"),
        "submission": text(section(record, "test_result"), "git_patch"),
        "stated_id": run,
    }


def _is_open_swe_trace(record: dict[str, Any], path: str) -> bool:
    """`resolved` is 1, 0, or -1 for unknown."""
    resolved = record.get("resolved")
    number = isinstance(resolved, int) and not isinstance(resolved, bool)
    return chat_column(record) is not None and "tools" in record and number


def _is_chat(record: Any, path: str) -> bool:
    return holds(record, "role") if isinstance(record, list) else chat_column(record) is not None


def _read_chat(record: Any, source: Source) -> Trajectory:
    if isinstance(record, list):
        return assemble(source, MESSAGES, record, Facts(instance_id=source.stem))
    return read_row(record, source, MESSAGES, {})


READERS = (
    # SWE-bench/SWE-smith-trajectories; `messages` may be JSON text
    _dataset("swe-smith", _chat_in("messages", "traj_id"), "swe-agent"),
    # SWE-Gym/OpenHands-Sampled-Trajectories
    _dataset("swe-gym-openhands", _chat_in("messages", "run_id"), "openhands", _of_swe_gym),
    # nebius/SWE-rebench-openhands-trajectories, and SWE-Zero's
    _dataset(
        "nebius-openhands", _chat_in("trajectory", "trajectory_id", without="agent"), "openhands"
    ),
    # nvidia/Open-SWE-Traces
    _dataset(
        "open-swe-traces",
        _is_open_swe_trace,
        UNKNOWN,
        lambda row: {"scaffold": SCAFFOLDS.get((text(row, "agent") or "").lower(), UNKNOWN)},
    ),
    # mini-coder; `verified` says that the patch passed the tests
    _dataset(
        "mini-coder",
        _chat_in("messages", "verified"),
        "mini-swe-agent",
        lambda row: {"resolved": outcome(row, "verified", "resolved")},
    ),
    # StephenZhu/SWE-Play-trajectories, without outcome or patch; the set numbers no tasks
    _dataset(
        "swe-play",
        _chat_in("messages", "category", "source", without="instance_id"),
        "openhands",
        lambda row: {"instance_id": identifier(row, "id")},
    ),
    Reader(MESSAGES, _is_chat, _read_chat, lists=True),
)
