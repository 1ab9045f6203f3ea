"""What every reader shares: where a record stands, and how a run is put together from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from srft_assets.trajectories.chat import chat
from srft_assets.trajectories.model import Trajectory, encoded, trajectory_id
from srft_assets.trajectories.steps import NO_CODES, cut_steps

UNKNOWN = "unknown"
SUFFIXES = (".json", ".jsonl", ".traj", ".gz", ".zst", ".parquet", ".arrow")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record stands.

    Attributes:
        path: file relative to the ingested root.
        row: 0-based within it.
        hint: file name or relative path; some scaffolds name the task only there.
    """

    path: str
    row: int
    hint: str

    @property
    def stem(self) -> str:
        """The file's name without the suffixes of run files; `unknown` where that is empty."""
        name = PurePosixPath(self.hint).name
        while name.endswith(SUFFIXES):
            name = name.rpartition(".")[0]
        return name or UNKNOWN


class Reader(Protocol):
    """One format. A reader is a module.

    Where its runs lie in another field than `messages`, `trajectory` or `history`, it names that
    field too: `RUN_KEYS = ("chat",)`. A file without any of them is taken for no run before a
    reader is asked.
    """

    NAME: str

    def detect(self, record: Any, hint: str) -> bool:
        """Whether the record has this format's structure. Never raises."""

    def read(self, record: Any, source: Source) -> Trajectory:
        """The run of one record. Raises RecordError."""


@dataclass(slots=True)
class Facts:
    """What a source says of a run beside its messages; see `Trajectory`."""

    instance_id: str | None = None
    scaffold: str = UNKNOWN
    model: str | None = None
    exit_status: str | None = None
    submission: str | None = None
    resolved: bool | None = None
    tools: list[dict[str, Any]] | None = None
    stated_id: str | None = None


def assemble(
    source: Source,
    format_name: str,
    raw_messages: list[Any],
    facts: Facts,
    codes: Mapping[int, int | None] = NO_CODES,
    field: str = "messages",
) -> Trajectory:
    """The canonical run; `codes` are return codes by message index. Raises RecordError."""
    messages = chat(raw_messages, field)
    instance_id = facts.instance_id or UNKNOWN
    json = encoded(messages)
    return Trajectory(
        trajectory_id=trajectory_id(instance_id, facts.stated_id, messages, facts.scaffold, json),
        instance_id=instance_id,
        scaffold=facts.scaffold,
        format=format_name,
        messages=messages,
        steps=cut_steps(messages, codes),
        model=facts.model,
        exit_status=facts.exit_status,
        submission=facts.submission,
        resolved=facts.resolved,
        tools=facts.tools,
        source=source.path,
        row=source.row,
        stated_id=facts.stated_id,
        messages_json=json,
    )


def holds(value: Any, *keys: str) -> bool:
    """Whether a list begins with an object that has all the keys."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and all(key in first for key in keys)
