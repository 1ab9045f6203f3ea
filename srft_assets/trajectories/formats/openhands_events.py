"""OpenHands `output.jsonl` rows (flat `history`) and bare event lists, 0.9 and later."""

from typing import Any

from srft_assets.trajectories.fields import identifier, listing, outcome, section, text, wrong_type
from srft_assets.trajectories.formats.openhands_chat import EventChat
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Facts, Source, assemble, holds

NAME = "openhands-events"


def is_event(value: Any) -> bool:
    """Whether the value is an action or an observation."""
    return isinstance(value, dict) and ("action" in value or "observation" in value)


def detect(record: Any, hint: str) -> bool:
    """A list of events, bare or as `history`."""
    events = record.get("history") if isinstance(record, dict) else record
    return (
        isinstance(events, list)
        and bool(events)
        and is_event(events[0])
        and (isinstance(record, list) or not holds(record.get("trajectory"), "response"))
        and "role" not in events[0]
    )


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row or file. Raises RecordError."""
    if isinstance(record, list):
        return read_events(record, {}, source, NAME)
    if not isinstance(record, dict):
        raise wrong_type("record", record, "an object")
    return read_events(listing(record, "history") or [], record, source, NAME)


def read_events(
    events: list[Any], record: dict[str, Any], source: Source, format_name: str
) -> Trajectory:
    """The run of a list of events; `record` is the row around them. Raises RecordError."""
    seen = EventChat()
    for place, event in enumerate(events):
        seen.add(event, place)
    result = section(record, "test_result")
    facts = Facts(
        instance_id=identifier(record, "instance_id") or _issue(record) or source.stem,
        scaffold="openhands",
        model=text(section(record, "metadata", "llm_config"), "model") or seen.model,
        exit_status=text(record, "error") or None,
        submission=text(result, "git_patch") if "git_patch" in result else _patch(record),
        resolved=_resolved(record, result),
        tools=seen.tools,
    )
    return assemble(source, format_name, seen.messages, facts, seen.codes, "history")


def _issue(record: dict[str, Any]) -> str | None:
    """The resolver names an issue instead of an instance."""
    issue = section(record, "issue")
    if not issue:
        return None
    owner, repo = identifier(issue, "owner"), identifier(issue, "repo")
    return f"{owner}__{repo}-{identifier(issue, 'number')}"


def _patch(record: dict[str, Any]) -> str | None:
    return text(record, "git_patch")


def _resolved(record: dict[str, Any], result: dict[str, Any]) -> bool | None:
    """As the grading report says. The resolver's `success` is the model's own opinion."""
    for report in (section(record, "report"), section(result, "report"), record):
        if report.get("resolved") is not None:
            return outcome(report, "resolved")
    return None
