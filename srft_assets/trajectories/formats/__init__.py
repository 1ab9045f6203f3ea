"""The formats that can be read, in the order in which they are asked, and what a record is that
none of them reads.
"""

from typing import Any

from srft_assets.errors import UsageError
from srft_assets.trajectories.formats import chat_datasets, mini_swe_agent, openhands, swe_agent
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reader import Reader, RecordError, Source, kind_of, quoted, wrong_type

FAMILIES = (swe_agent, mini_swe_agent, openhands, chat_datasets)
READERS: dict[str, Reader] = {one.name: one for family in FAMILIES for one in family.READERS}
"""Name → reader; the narrow ones stand before the wide ones."""


def run_keys() -> frozenset[str]:
    """The fields one of which a record of a run has at its top."""
    own = (reader.run_keys for reader in READERS.values())
    return frozenset({"messages", "trajectory", "history"}).union(*own)


def detect_format(record: Any, path: str) -> Reader:
    """The first reader that claims a parsed record (an object, or a list that is one run).

    Raises RecordError where none does, with what the record seems to be.
    """
    for reader in READERS.values():
        if _takes(reader, record) and reader.detect(record, path):
            return reader
    raise RecordError(why_no_run(record))


def _takes(reader: Reader, record: Any) -> bool:
    return isinstance(record, dict) or (reader.lists and isinstance(record, list))


def read_record(record: Any, *, source: str, row: int = 0, format: str | None = None) -> Trajectory:
    """The run of one parsed record.

    `source` is the file relative to the ingested root, where some scaffolds name the task, and
    `row` the 0-based row within it; `format` overrides detection. Raises RecordError (bad record)
    and UsageError (unknown format).
    """
    if format is None:
        reader = detect_format(record, source)
    elif format in READERS:
        reader = READERS[format]
    else:
        raise UsageError(f"unknown format {format!r}; known: {', '.join(READERS)}")
    if not _takes(reader, record):
        raise wrong_type("record", record, "an object")
    return reader.read(record, Source(source, row))


SIGNS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"patch_successfully_applied"}), "is a grading report, not a run"),
    (frozenset({"tests_status"}), "is a grading report, not a run"),
    (frozenset({"FAIL_TO_PASS", "PASS_TO_PASS"}), "is a task or a test list, not a run"),
    (frozenset({"resolved_ids"}), "is a report over many runs, not a run"),
    (frozenset({"ids_resolved"}), "is a report over many runs, not a run"),
    (frozenset({"model_patch"}), "is a prediction: a patch without the run that made it"),
    (frozenset({"problem_statement", "base_commit"}), "is a task, not a run"),
)


def why_no_run(record: Any) -> str:
    """One line: what the record looks like and why it cannot be read as a run."""
    if not isinstance(record, dict | list):
        return f"the record is {kind_of(record)}; a run is an object or a list of messages"
    if not record:
        return f"the record is an empty {'list' if isinstance(record, list) else 'object'}"
    if isinstance(record, list):
        return f"unknown structure: a list whose first entry is {_first(record)}"
    return (
        _why_no_chat(record)
        or _sign(record)
        or _sign_of_values(record)
        or f"unknown structure: an object with the fields {_names(record)}"
    )


def _why_no_chat(record: dict[str, Any]) -> str | None:
    if _is_normalised(record):
        return "is a row of Agent Data Protocol's normalised form, without the chat: take the raw"
    for field, name in (("history", "SWE-agent or OpenHands"), ("messages", "a chat")):
        value = record.get(field)
        if isinstance(value, list) and value:
            return _why_no_history(value) if field == "history" else _looks_like(name, field, value)
        if isinstance(value, int):
            return f"counts '{field}' instead of holding them: a line of a manifest, not a run"
        if value is not None and not isinstance(value, list):
            return f"looks like {name}, but field '{field}' is {kind_of(value)}; expected a list"
    return None


def _looks_like(name: str, field: str, value: list[Any]) -> str:
    return f"looks like {name}, but '{field}[0]' is {_first(value)}"


def _sign(record: dict[str, Any]) -> str | None:
    return next((reason for signs, reason in SIGNS if signs <= record.keys()), None)


def _sign_of_values(record: dict[str, Any]) -> str | None:
    first = next(iter(record.values()))
    reason = _sign(first) if isinstance(first, dict) else None
    return f"is keyed by instance, and each value {reason}" if reason else None


def _is_normalised(record: dict[str, Any]) -> bool:
    content = record.get("content")
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and "class_" in first


def _why_no_history(history: list[Any]) -> str:
    if isinstance(history[0], list):
        return "is a run of OpenHands before 0.9 (pairs), which no reader knows"
    if isinstance(history[0], dict) and "kind" in history[0]:
        return "looks like events of the OpenHands SDK (1.x), which no reader knows"
    return _looks_like("SWE-agent or OpenHands", "history", history)


def _first(values: list[Any]) -> str:
    value = values[0]
    if isinstance(value, dict):
        return f"an object with the fields {_names(value)}"
    return kind_of(value)


def _names(record: dict[str, Any]) -> str:
    names = ", ".join(quoted(name) for name in list(record)[:8])
    return f"{names}{', ...' if len(record) > 8 else ''}"
