"""The canonical form of a recorded run, and its id."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import orjson
from blake3 import blake3

from srft_assets.trajectories.fields import RecordError

Message = dict[str, Any]
"""An OpenAI chat message, loss-free.

`role` is system, user, assistant or tool. `content` is a string, None, or a list of parts;
`tool_calls`, `tool_call_id` and `name` are kept as they came. Keys that only the scaffold
knows (costs, timestamps) are left out, so that a chat template can render the message again.
`is_demo: true` marks messages of a demonstration shown to the agent: context, never steps.
"""


@dataclass(slots=True)
class Action:
    """One command of a step: the tool's name (`bash`, `edit`, …) and what it was given."""

    tool: str
    command: str
    call_id: str | None = None


@dataclass(slots=True)
class Step:
    """One assistant turn with the observations that answer it.

    Attributes:
        step_index: 0-based and consecutive within the run.
        message_index: place of the assistant turn in `Trajectory.messages`.
        thought: text of the turn without its action.
        actions: commands in the order given; empty where the turn holds none.
        observations: texts that answered, in order.
        return_codes: one per observation; None where the scaffold states none.
    """

    step_index: int
    message_index: int
    thought: str
    actions: list[Action] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    return_codes: list[int | None] = field(default_factory=list)


@dataclass(slots=True)
class Trajectory:
    """One run.

    Attributes:
        trajectory_id: `<instance_id>.<12 hex>`, stable across re-ingest (see `identity`).
        instance_id: the task; `unknown` where the source does not say.
        scaffold: `swe-agent`, `mini-swe-agent`, `openhands`, or `unknown`.
        format: name of the reader, e.g. `swe-agent-1.x`.
        model: the model as the source names it, None where it does not.
        exit_status: as the scaffold states it.
        submission: the patch, None where there is none.
        resolved: the outcome as the source itself states it; None where it does not say.
        messages: the whole chat, loss-free.
        tools: JSON schemas of the tools offered, None where the scaffold offers none.
        steps: cut from `messages`.
        source: file relative to the ingested root; `row` is 0-based within it.
        stated_id: the source's own run id, where it has one.
        messages_json: `messages` as JSON, where it is known; who changes them sets it None.
    """

    trajectory_id: str
    instance_id: str
    scaffold: str
    format: str
    messages: list[Message]
    steps: list[Step]
    model: str | None = None
    exit_status: str | None = None
    submission: str | None = None
    resolved: bool | None = None
    tools: list[dict[str, Any]] | None = None
    source: str = ""
    row: int = 0
    stated_id: str | None = None
    messages_json: bytes | None = field(default=None, compare=False, repr=False)


UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
NAME_CHARS = 100
"""An instance id is cut to this length within a trajectory id."""
PLAIN = ("role", "content")
CONTENT = itemgetter("content")


def encoded(messages: Sequence[Message], option: int = 0) -> bytes:
    """The messages as JSON, with an option of orjson.

    Raises RecordError where they cannot be written as such: lone surrogates, integers beyond
    64 bits.
    """
    try:
        return orjson.dumps(messages, option=option)
    except (TypeError, RecursionError) as error:
        raise RecordError(f"the messages cannot be written as JSON: {error}") from error


def trajectory_id(
    instance_id: str,
    stated_id: str | None,
    messages: Sequence[Message],
    scaffold: str = "",
    json: bytes | None = None,
) -> str:
    """`<instance id in [A-Za-z0-9._-]>.<12 hex>`.

    The hex digits are of the BLAKE3 hash over scaffold, instance and the source's own run id
    where it has one (ids such as SWE-Gym's `run_id` are shared by instances), and over the
    messages as canonical JSON otherwise: role before content where all have a text and nothing
    else, so that what is stored need not be written twice; sorted keys else.
    `json`: `encoded(messages)`, if that is known, with the role first in each. Raises
    RecordError as `encoded` does.
    """
    if stated_id is not None:
        json = orjson.dumps([scaffold, instance_id, stated_id])
    elif not _plain(messages):
        json = encoded(messages, orjson.OPT_SORT_KEYS)
    elif json is None:
        json = encoded([{key: message[key] for key in PLAIN} for message in messages])
    name = UNSAFE.sub("_", instance_id[: 4 * NAME_CHARS])[:NAME_CHARS]
    return f"{name or 'unknown'}.{blake3(json).hexdigest(6)}"


def _plain(messages: Sequence[Message]) -> bool:
    return set(map(len, messages)) == {2} and set(map(type, map(CONTENT, messages))) == {str}
