"""The canonical form of a recorded run."""

from dataclasses import dataclass, field
from typing import Any

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
