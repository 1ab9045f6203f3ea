"""The formats that can be read, in the order in which they are asked, and what a record is that
none of them reads.
"""

from typing import Any

from srft_assets.errors import UsageError
from srft_assets.trajectories.formats import (
    anthropic,
    atif,
    chat_datasets,
    chat_rows,
    claude_code,
    cli_sessions,
    inspect_log,
    mini_swe_agent,
    openhands,
    openhands_sdk,
    responses,
    swe_agent,
)
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reader import Reader, RecordError, Source, kind_of, quoted, wrong_type

FAMILIES = (
    *(swe_agent, mini_swe_agent, openhands_sdk, openhands, claude_code, responses, cli_sessions),
    *(atif, inspect_log, anthropic, chat_rows, chat_datasets),
)
READERS: dict[str, Reader] = {one.name: one for family in FAMILIES for one in family.READERS}
"""Name → reader; the narrow ones stand before the wide ones."""
LOOKED_AT = 50
"""Lines of a session, of which none is a run by itself."""


def run_keys() -> frozenset[str]:
    """The fields one of which a record of a run has at its top."""
    own = (reader.run_keys for reader in READERS.values())
    return frozenset({"messages", "trajectory", "history"}).union(*own)


def is_claimed(value: Any) -> bool:
    """Whether a reader takes a JSON value for a run, whatever its file is called."""
    return any(_claims(one, value, "") for one in READERS.values())


def is_session(lines: list[Any], format: str | None = None) -> bool:
    """Whether the first lines of a file are those of one run together; by `format` if stated."""
    if format in READERS:
        return READERS[format].lines and not any(_is_whole(line) for line in lines)
    return any(one.lines and _claims(one, lines, "") for one in READERS.values())


def detect_format(record: Any, path: str) -> Reader:
    """The first reader that claims a parsed record (an object, or a list that is one run).

    Raises RecordError where none does, with what the record seems to be.
    """
    for reader in READERS.values():
        if _claims(reader, record, path):
            return reader
    raise RecordError(why_no_run(record))


def _takes(reader: Reader, record: Any) -> bool:
    return isinstance(record, dict) or (reader.lists and isinstance(record, list))


def _claims(reader: Reader, record: Any, path: str) -> bool:
    if reader.lines and isinstance(record, list) and any(map(_is_whole, record[:LOOKED_AT])):
        return False
    return _takes(reader, record) and reader.detect(record, path)


def _is_whole(line: Any) -> bool:
    """Whether a line is a run by itself, so that it is no line of one."""
    if not isinstance(line, dict):
        return isinstance(line, list)
    held = [line.get(key) for key in run_keys()]
    return any(isinstance(one, list) or (isinstance(one, str) and one[:1] == "[") for one in held)


def read_record(record: Any, *, source: str, row: int = 0, format: str | None = None) -> Trajectory:
    """The run of one parsed record, the first where it holds several; see `read_runs`."""
    return read_runs(record, source=source, row=row, format=format)[0]


def read_runs(
    record: Any, *, source: str, row: int = 0, format: str | None = None
) -> list[Trajectory]:
    """The runs of one parsed record: one, and those of its subagents, and one more for each time
    its context was rewritten.

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
    read = reader.read(record, Source(source, row))
    return read if isinstance(read, list) else [read]


SIGNS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"patch_successfully_applied"}), "is a grading report, not a run"),
    (frozenset({"tests_status"}), "is a grading report, not a run"),
    (frozenset({"FAIL_TO_PASS", "PASS_TO_PASS"}), "is a task or a test list, not a run"),
    (frozenset({"resolved_ids"}), "is a report over many runs, not a run"),
    (frozenset({"ids_resolved"}), "is a report over many runs, not a run"),
    (frozenset({"model_patch"}), "is a prediction: a patch without the run that made it"),
    (frozenset({"problem_statement", "base_commit"}), "is a task, not a run"),
    (
        frozenset({"working_dir", "message_count"}),
        "a Goose session: not read; export it with `harbor`, or as OpenAI messages",
    ),
    (
        frozenset({"resourceSpans"}),
        "OpenTelemetry spans: not read; write the input and output messages of the last span",
    ),
    (
        frozenset({"trace_id", "span_id"}),
        "an OpenTelemetry span: not read; write the input and output messages of the last span",
    ),
    (
        frozenset({"run_type", "child_runs"}),
        "a LangSmith run: not read; export its messages (`messages_to_dict`)",
    ),
    (
        frozenset({"kind", "timestamp", "source", "id"}),
        "one event of an OpenHands conversation: write its events as the lines of one "
        "events.jsonl: jq -c . events/event-*.json > events.jsonl",
    ),
    (
        frozenset({"eval", "plan", "stats"}),
        "a log of Inspect without samples: its header alone, or no sample ended",
    ),
    (
        frozenset({"n_total_trials", "stats"}),
        "Harbor's result of a whole job: that of each trial is read instead",
    ),
    (
        frozenset({"trial_name", "trials_dir"}),
        "Harbor's settings of a trial, not a run",
    ),
    (
        frozenset({"prompt", "completion"}),
        "prompt and completion are text: not read; write them as lists of messages",
    ),
)
"""Fields of a record that is no run, or of a format that is known and not read → what it is."""


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


def _why_no_history(history: list[Any]) -> str:
    if isinstance(history[0], list):
        return "is a run of OpenHands before 0.9 (pairs), which no reader knows"
    return _looks_like("SWE-agent or OpenHands", "history", history)


def _first(values: list[Any]) -> str:
    value = values[0]
    if isinstance(value, dict):
        return f"an object with the fields {_names(value)}"
    return kind_of(value)


def _names(record: dict[str, Any]) -> str:
    names = ", ".join(quoted(name) for name in list(record)[:8])
    return f"{names}{', ...' if len(record) > 8 else ''}"
