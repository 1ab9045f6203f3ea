"""Logs of single calls of the model, each of which holds the whole chat so far: which of them are
superseded by a later one.

In `llm_completions/INSTANCE/` all are of one run, and the last that can be read holds it. In a flat
folder (`log_completions_folder` of the OpenHands SDK) several runs may lie: a call is superseded by
the next whose request begins with its own request and the answer to it. Where a condenser rewrote
the context none does, and both are kept, each a run of its own context.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from posixpath import basename, dirname
from typing import Any

from blake3 import blake3

from srft_assets.trajectories.formats.openhands import CALLS_FOLDER, TIMED, is_completion
from srft_assets.trajectories.model import RecordError, text_of
from srft_assets.trajectories.reader import section
from srft_assets.trajectories.records import BadJsonError, parse

TIME = re.compile(r"(\d+(?:\.\d+)?)(?:-[0-9a-f]{4})?\.json$")
Place = tuple[str, Path]
"""A file's path below the root, and where it is."""


def superseded(files: Sequence[Place], readable: Callable[[Path], bool]) -> dict[str, str]:
    """Path of a superseded call → the path of the call that holds its run.

    `readable`: whether a file can be a run; of one folder it is asked of the last ones only.
    """
    folders: dict[str, list[Place]] = defaultdict(list)
    for path, at in files:
        of_instance = basename(dirname(dirname(path))) == CALLS_FOLDER
        if of_instance or TIMED.fullmatch(PurePosixPath(path).stem):
            folders[dirname(path)].append((path, at))
    later: dict[str, str] = {}
    for folder, calls in folders.items():
        ordered = sorted(calls, key=lambda call: (_time(call[0]), call[0]))
        if basename(dirname(folder)) == CALLS_FOLDER:
            newest = (path for path, at in reversed(ordered) if readable(at))
            last = next(newest, ordered[-1][0])
            later |= {path: last for path, _ in ordered if path != last}
        elif len(ordered) > 1:
            later |= _by_content(ordered)
    return later


def _time(path: str) -> float:
    found = TIME.search(path)
    return float(found[1]) if found else 0.0


def _by_content(ordered: Iterable[Place]) -> dict[str, str]:
    """Calls in the order of their time; each ends at most one earlier call."""
    ends: dict[bytes, str] = {}
    later: dict[str, str] = {}
    for path, at in ordered:
        record = _record(at)
        if record is None:
            continue
        states = list(_states(record["messages"]))
        before = next((ends.pop(state) for state in reversed(states) if state in ends), None)
        if before is not None:
            later = {old: path if new == before else new for old, new in later.items()}
            later[before] = path
            ends = {state: one for state, one in ends.items() if one != before}
        asked = states[-1] if states else b""
        ends |= {_state(asked, answer): path for answer in _answers(record)}
    return later


def _record(at: Path) -> dict[str, Any] | None:
    try:
        value = parse(at.read_bytes())
    except (OSError, BadJsonError):
        return None
    return value if isinstance(value, dict) and is_completion(value, "") else None


def _answers(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as a call, and as the model wrote it where it has no native ones."""
    for name in ("response", "raw_response"):
        try:
            choices = section(record, name).get("choices")
        except RecordError:
            continue
        first = choices[0] if isinstance(choices, list) and choices else None
        message = first.get("message") if isinstance(first, dict) else None
        if isinstance(message, dict):
            yield {**message, "role": "assistant"}


def _states(messages: list[Any]) -> Iterator[bytes]:
    """A digest of the chat after each of its messages."""
    state = b""
    for message in messages:
        state = _state(state, message if isinstance(message, dict) else {})
        yield state


def _state(before: bytes, message: dict[str, Any]) -> bytes:
    """Of a chat and a further message: who says what, and the ids of the calls.

    How a text is split into parts, and marks for a cache, differ between calls.
    """
    calls = message.get("tool_calls")
    ids = (
        [call.get("id") for call in calls if isinstance(call, dict)]
        if isinstance(calls, list)
        else []
    )
    try:
        said = text_of(message.get("content")).strip()
    except RecordError:
        said = ""
    told = [before.hex(), message.get("role"), message.get("tool_call_id"), said, ids]
    return blake3(repr(told).encode("utf-8", "surrogatepass")).digest()
