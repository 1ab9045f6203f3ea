"""What every reader shares: where a record stands, typed access to its fields, with an error that
names what is wrong with one, its messages, and the run made of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any

import orjson

from srft_assets.trajectories.model import (
    DEMONSTRATION,
    Message,
    RecordError,
    SilentError,
    Trajectory,
    kind_of,
    trajectory_id,
)
from srft_assets.trajectories.steps import cut_steps

UNKNOWN = "unknown"
QUOTED_CHARS = 40
SUFFIXES = (".json", ".jsonl", ".traj", ".gz", ".zst", ".parquet", ".arrow")
ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
}
KEPT = frozenset(
    {"name", "tool_calls", "tool_call_id", "function_call", "refusal"}
    | {"reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks"}
)
"""Keys of a message beside role and content that a chat template or a critic may want."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record stands.

    Attributes:
        path: file relative to the ingested root; some scaffolds name the task only there.
        row: 0-based within it.
    """

    path: str
    row: int

    @property
    def stem(self) -> str:
        """The file's name without the suffixes of run files; `unknown` where that is empty."""
        name = PurePosixPath(self.path).name
        while name.endswith(SUFFIXES):
            name = name.rpartition(".")[0]
        return name or UNKNOWN


@dataclass(frozen=True)
class Reader:
    """One format.

    Attributes:
        name: as `srft ingest --format` and the column `format` show it.
        detect: whether a parsed record has the format's structure; it is also given the file's
            relative path. It never raises.
        read: the run of one record, made by `assemble`; several where it holds the runs of
            subagents, or one whose context was rewritten on the way (`turns.py`). Raises
            RecordError with a reason that names the field, for a record of any shape: files are
            damaged, and people force formats.
        lists: whether a bare list can be a run. Otherwise both functions are given objects only.
        lines: whether the lines of a JSON Lines file are one run together. Both functions are then
            given the list of its lines; `detect` is given the first of them, and a list of lines
            is never the lines of another format.
        patches: whether a run that states how it ended, and no patch, submitted none. False where
            the tool changes files in place, so that the format never states a patch.
        run_keys: top-level fields that hold the run, where they are others than `messages`,
            `trajectory` and `history`. A file without any of these is not shown to a reader.
    """

    name: str
    detect: Callable[[Any, str], bool]
    read: Callable[[Any, Source], Trajectory | list[Trajectory]]
    lists: bool = False
    lines: bool = False
    patches: bool = True
    run_keys: tuple[str, ...] = ()


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
    codes: Mapping[int, int | None] | None = None,
    field: str = "messages",
) -> Trajectory:
    """The canonical run; `codes` are return codes by message index. Raises RecordError."""
    messages = chat(raw_messages, field, ended=facts.exit_status is not None)
    told = {one.name: getattr(facts, one.name) for one in fields(facts)}
    told["instance_id"] = instance_id = facts.instance_id or UNKNOWN
    return Trajectory(
        trajectory_id=trajectory_id(instance_id, facts.stated_id, messages, facts.scaffold),
        format=format_name,
        messages=messages,
        steps=cut_steps(messages, codes or {}),
        source=source.path,
        row=source.row,
        **told,
    )


def holds(value: Any, *keys: str) -> bool:
    """Whether a list begins with an object that has all the keys."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and all(key in first for key in keys)


BLOCKS = ("tool_use", "tool_result")
"""Parts of a content that are calls and answers, and would be lost as text."""


def chat(raw_messages: list[Any], field: str = "messages", ended: bool = False) -> list[Message]:
    """The same messages with canonical roles and without the scaffold's own keys.

    `content` stays as it came (text, None or a list of parts). Null and empty keys are left
    out: a Parquet column of structs has them in every row. Raises RecordError for an unknown
    role, for a wrong type, and where no assistant ever speaks, unless the run states how it ended:
    mini-swe-agent keeps no turn of a model that never kept to the format.
    """
    messages = [_message(raw, f"{field}[{place}]") for place, raw in enumerate(raw_messages)]
    spoken = any(m["role"] == "assistant" and DEMONSTRATION not in m for m in messages)
    if not spoken and not (ended and messages):
        raise SilentError(f"no assistant turn among the {len(messages)} of field '{field}'")
    return messages


def _message(raw: Any, where: str) -> Message:
    if not isinstance(raw, dict):
        raise wrong_type(where, raw, "an object")
    content = raw.get("content")
    message: Message = {"role": _role(raw.get("role"), where), "content": content}
    if content is not None and not isinstance(content, str):
        _check_parts(content, f"{where}.content")
    for key, value in raw.items():
        if key in KEPT and value is not None and value != [] and value != "":
            message[key] = value
    _check_calls(message, where)
    if raw.get(DEMONSTRATION):
        message[DEMONSTRATION] = True
    return message


def _role(stated: object, where: str) -> str:
    if stated is None:
        raise RecordError(f"'{where}' has no role")
    if not isinstance(stated, str):
        raise wrong_type(f"{where}.role", stated, "text")
    if stated not in ROLES:
        known = ", ".join(ROLES)
        raise RecordError(f"unknown role {quoted(stated)} in '{where}'; known roles: {known}")
    return ROLES[stated]


def _check_parts(content: object, where: str) -> None:
    if not isinstance(content, list):
        raise wrong_type(where, content, "text, null or a list of parts")
    for part in content:
        if not isinstance(part, dict | str):
            raise wrong_type(f"{where}[]", part, "an object")
        if isinstance(part, dict) and not isinstance(part.get("text", ""), str | None):
            raise wrong_type(f"{where}[].text", part["text"], "text")
        if isinstance(part, dict) and part.get("type") in BLOCKS and not part.get("text"):
            raise RecordError(
                f"'{where}' holds a {part['type']!r} block of Anthropic's Messages API, which this "
                "format does not have: try --format anthropic-messages, or write it as tool_calls"
            )


def _check_calls(message: Message, where: str) -> None:
    for key in ("name", "tool_call_id"):
        if not isinstance(message.get(key, ""), str):
            raise wrong_type(f"{where}.{key}", message[key], "text")
    if not isinstance(message.get("function_call", {}), dict):
        raise wrong_type(f"{where}.function_call", message["function_call"], "an object")
    if "tool_calls" in message:
        message["tool_calls"] = _tool_calls(message["tool_calls"], f"{where}.tool_calls")


def _tool_calls(value: object, where: str) -> list[dict[str, Any]]:
    calls = parsed(where, value) if isinstance(value, str) else value
    if not isinstance(calls, list):
        raise wrong_type(where, calls, "a list")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RecordError(f"field '{where}' holds {kind_of(call)} that names no function")
    return calls


def quoted(value: object) -> str:
    """The first characters of a hostile value, printable, on one line."""
    text = value if isinstance(value, str) else str(value)
    return ascii(text if len(text) <= QUOTED_CHARS else text[:QUOTED_CHARS] + "...")


def wrong_type(field: str, value: object, expected: str) -> RecordError:
    """The error for a field that holds something else than it should."""
    return RecordError(f"field '{field}' is {kind_of(value)}; expected {expected}")


OUTCOMES: dict[float, bool | None] = {1: True, 0: False, -1: None}


def text(record: dict[str, Any], *names: str) -> str | None:
    """The first of the named fields that is stated; None where none is. '' counts as stated."""
    for name in names:
        value = record.get(name)
        if value is not None:
            if isinstance(value, str):
                return value
            raise wrong_type(name, value, "text")
    return None


def identifier(record: dict[str, Any], *names: str) -> str | None:
    """Like `text`, but whole numbers are taken too and '' counts as absent."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None and not isinstance(value, str):
            raise wrong_type(name, value, "text")
        if value:
            return value
    return None


def outcome(record: dict[str, Any], *names: str) -> bool | None:
    """A three-valued outcome: true/1, false/0, or None where absent, null, NaN or -1."""
    for name in names:
        value = record.get(name)
        if value is None or value != value:
            continue
        if not isinstance(value, int | float):
            raise wrong_type(name, value, "true, false, 1, 0 or -1")
        if value not in OUTCOMES:
            raise RecordError(f"field '{name}' is {quoted(value)}; expected 1, 0 or -1")
        return OUTCOMES[value]
    return None


def section(record: Any, *names: str) -> dict[str, Any]:
    """The object at a path of fields; empty where any of them is absent or null."""
    for name in names:
        value = record.get(name)
        if value is None:
            return {}
        if isinstance(value, str) and value[:1] == "{":
            value = parsed(name, value)
        if not isinstance(value, dict):
            raise wrong_type(name, value, "an object")
        record = value
    return record


def listing(record: dict[str, Any], name: str) -> list[Any] | None:
    """A list, given as such or as JSON text; None where absent, null or blank."""
    value = record.get(name)
    if isinstance(value, str):
        value = parsed(name, value) if value.strip() else None
    if value is not None and not isinstance(value, list):
        raise wrong_type(name, value, "a list")
    return value


def is_list_text(value: str) -> bool:
    """Whether a text is meant as the JSON of a list of objects, and not as words in brackets."""
    return value[:1] == "[" and value[1:].lstrip()[:1] in ("{", "]")


def tools(record: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The JSON schemas of the tools offered; None where none are stated."""
    offered = listing(record, "tools")
    for place, tool in enumerate(offered or ()):
        if not isinstance(tool, dict):
            raise wrong_type(f"tools[{place}]", tool, "an object")
    return offered or None


def parsed(name: str, value: str) -> Any:
    """The value of a field that holds JSON text."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"field '{name}' is text, but not JSON ({error})") from error
