"""The formats that can be read, in the order in which they are asked."""

from collections.abc import Iterable
from typing import Any

from srft_assets.errors import UsageError
from srft_assets.trajectories.fields import RecordError
from srft_assets.trajectories.formats import (
    messages,
    mini_coder,
    mini_swe_agent_v1,
    mini_swe_agent_v2,
    nebius_openhands,
    nebius_swe_agent,
    open_swe_traces,
    openhands_completion,
    openhands_events,
    swe_agent_v0,
    swe_agent_v1,
    swe_gym,
    swe_play,
    swe_smith,
)
from srft_assets.trajectories.formats.unknown import why_no_run
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Reader, Source

READERS: dict[str, Reader] = {
    reader.NAME: reader
    for reader in (
        swe_agent_v1,
        swe_agent_v0,
        mini_swe_agent_v2,
        mini_swe_agent_v1,
        openhands_completion,
        openhands_events,
        nebius_swe_agent,
        swe_smith,
        swe_gym,
        nebius_openhands,
        open_swe_traces,
        mini_coder,
        swe_play,
        messages,
    )
}
"""Name → reader; the narrow ones stand before the wide ones."""


def run_keys(readers: Iterable[Reader] = tuple(READERS.values())) -> frozenset[str]:
    """The fields one of which a record of a run has at its top.

    A reader whose runs lie in none of the usual ones names its own as `RUN_KEYS`.
    """
    return frozenset({"messages", "trajectory", "history"}).union(
        *(getattr(reader, "RUN_KEYS", ()) for reader in readers)
    )


def detect_format(record: Any, hint: str) -> Reader:
    """The first reader that claims a parsed record (an object, or a list that is one run).

    Raises RecordError where none does, with what the record seems to be.
    """
    for reader in READERS.values():
        if reader.detect(record, hint):
            return reader
    raise RecordError(why_no_run(record))


def named_format(name: str) -> Reader:
    """The reader of that name. Raises UsageError with the names that exist."""
    if name not in READERS:
        raise UsageError(f"unknown format {name!r}; known: {', '.join(READERS)}")
    return READERS[name]


def read_record(
    record: Any, *, source: str, row: int, hint: str, format: str | None = None
) -> Trajectory:
    """The run of one parsed record.

    `source` is the file relative to the ingested root and `row` the 0-based row within it;
    `hint` is the file's name or relative path, where some scaffolds name the task; `format`
    overrides detection. Raises RecordError (bad record) and UsageError (unknown format).
    """
    reader = detect_format(record, hint) if format is None else named_format(format)
    return reader.read(record, Source(source, row, hint))
