"""OpenHands `output.jsonl` rows before 0.9: `history` is a list of [action, observation] pairs."""

from typing import Any

from srft_assets.trajectories.errors import wrong_type
from srft_assets.trajectories.fields import listing
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.readers.openhands_events import is_event, read_events
from srft_assets.trajectories.reading import Source

NAME = "openhands-pairs"


def detect(record: Any, hint: str) -> bool:
    """A `history` whose first entry is a pair that begins with an event."""
    history = record.get("history") if isinstance(record, dict) else None
    first = history[0] if isinstance(history, list) and history else None
    return isinstance(first, list) and len(first) == 2 and is_event(first[0])


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row. Raises RecordError."""
    if not isinstance(record, dict):
        raise wrong_type("record", record, "an object")
    events: list[Any] = []
    for place, pair in enumerate(listing(record, "history") or []):
        if not isinstance(pair, list):
            raise wrong_type(f"history[{place}]", pair, "a pair of action and observation")
        events += [event for event in pair if event]
    return read_events(events, record, source, NAME)
