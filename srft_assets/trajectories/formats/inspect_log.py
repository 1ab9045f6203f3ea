"""Logs of Inspect: `.json`, and `.eval`, whose zip entries are read as such objects of one sample.

Each sample is a run of its task in one epoch. A call is `{function, arguments}`, an error stands
beside the answer's content, and long texts in `attachments`. The first score decides the outcome.
"""

from functools import partial
from typing import Any

from srft_assets.trajectories.formats.anthropic import text_blocks
from srft_assets.trajectories.formats.responses import section_of
from srft_assets.trajectories.model import RecordError, Trajectory
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    Source,
    identifier,
    listing,
    section,
    text,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat, child_id, of_reward, runs_of

INSPECT = "inspect"
ATTACHMENT = "attachment://"
PASSED = {"C": True, "I": False, "P": None, "N": False}
"""Inspect's letters: correct, incorrect, partial, no answer."""


def is_log(record: dict[str, Any], path: str) -> bool:
    """A task with its model, and samples."""
    about = record.get("eval")
    stated = isinstance(about, dict) and "model" in about
    return stated and isinstance(record.get("samples"), list)


def _read(record: dict[str, Any], source: Source) -> list[Trajectory]:
    about = section(record, "eval")
    samples = listing(record, "samples") or []
    if not samples:
        raise RecordError("a log of Inspect without samples: its header alone, or no sample ended")
    return runs_of(
        partial(_sample, about, one, place, Source(source.path, source.row + place))
        for place, one in enumerate(samples)
    )


def _sample(about: dict[str, Any], sample: Any, place: int, source: Source) -> list[Trajectory]:
    where = f"samples[{place}]"
    if not isinstance(sample, dict):
        raise wrong_type(where, sample, "an object")
    chat, kept = Chat(), section_of(sample, "attachments")
    for number, message in enumerate(listing(sample, "messages") or []):
        if not isinstance(message, dict):
            raise wrong_type(f"{where}.messages[{number}]", message, "an object")
        _add(chat, message, kept)
    own, epoch = identifier(sample, "id"), identifier(sample, "epoch")
    run = child_id(identifier(about, "run_id"), child_id(own, epoch))
    metadata = section_of(sample, "metadata")
    ended = section_of(sample, "limit").get("type") or section_of(sample, "error").get("message")
    facts = Facts(
        instance_id=own,
        scaffold=INSPECT,
        model=text(about, "model"),
        exit_status=ended[:200] if isinstance(ended, str) else None,
        submission=text(metadata, "model_patch", "patch") if "model_patch" in metadata else None,
        resolved=_score(sample),
        stated_id=identifier(sample, "uuid") or (run if about.get("run_id") else None),
    )
    return chat.runs(source, INSPECT, facts, f"{where}.messages")


def _add(chat: Chat, message: dict[str, Any], kept: dict[str, Any]) -> None:
    role, content = message.get("role"), _content(message.get("content"), kept)
    if role == "assistant":
        chat.end_turn()
        turn = chat.turn()
        for part in content if isinstance(content, list) else ():
            turn.think(part.get("reasoning") if isinstance(part, dict) else None)
        turn.say(content if isinstance(content, str) else _said(content))
        for call in listing(message, "tool_calls") or []:
            if not isinstance(call, dict):
                raise wrong_type("messages[].tool_calls[]", call, "an object")
            function = call.get("function")
            given = function if isinstance(function, dict) else call
            name = given.get("name") if isinstance(function, dict) else function
            turn.call(call.get("id"), name, _open(given.get("arguments"), kept))
        chat.end_turn()
    elif role == "tool":
        failed = section_of(message, "error").get("message")
        said = failed if isinstance(failed, str) and not content else content
        chat.answer(message.get("tool_call_id"), said, None, message.get("function"))
    elif isinstance(role, str):
        chat.tell(role, content)
    else:
        raise RecordError("a message of a sample has no role")


def _content(content: Any, kept: dict[str, Any]) -> Any:
    return text_blocks(_open(content, kept))


def _said(content: Any) -> str:
    parts = content if isinstance(content, list) else ()
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(one for one in texts if isinstance(one, str))


def _open(value: Any, kept: dict[str, Any]) -> Any:
    """The value with its attachments in place, at any depth that JSON was read with."""
    if isinstance(value, str) and value.startswith(ATTACHMENT):
        found = kept.get(value.removeprefix(ATTACHMENT))
        return found if isinstance(found, str) else value
    if isinstance(value, list):
        return [_open(one, kept) for one in value]
    if isinstance(value, dict):
        return {key: _open(one, kept) for key, one in value.items()}
    return value


def _score(sample: dict[str, Any]) -> bool | None:
    scores = list(section_of(sample, "scores").values()) or [sample.get("score")]
    value = scores[0].get("value") if isinstance(scores[0], dict) else None
    return PASSED.get(value) if isinstance(value, str) else of_reward(value)


READERS = (Reader(INSPECT, is_log, _read, patches=False),)
