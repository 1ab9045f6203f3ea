"""What a record is that no reader claims: the reason that ends in quarantine."""

from typing import Any

from srft_assets.trajectories.fields import kind_of, quoted

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
    if isinstance(record, list):
        return _why_no_list(record)
    if not isinstance(record, dict):
        return f"the record is {kind_of(record)}; a run is an object or a list of messages"
    if not record:
        return "the record is an empty object"
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


def _why_no_list(record: list[Any]) -> str:
    if not record:
        return "the record is an empty list"
    return f"unknown structure: a list whose first entry is {_first(record)}"


def _first(values: list[Any]) -> str:
    value = values[0]
    if isinstance(value, dict):
        return f"an object with the fields {_names(value)}"
    return kind_of(value)


def _names(record: dict[str, Any]) -> str:
    names = ", ".join(quoted(name) for name in list(record)[:8])
    return f"{names}{', ...' if len(record) > 8 else ''}"
