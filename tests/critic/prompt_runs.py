"""Runs to ask about, and a reader that takes a prompt apart by its fences."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srft_assets.critic.calls import Request
from srft_assets.critic.prompt.requests import Asked, Seen, requests_for
from srft_assets.critic.prompt.template import Prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Action, Step, Trajectory

CRITICS = Path(__file__).parents[2] / "srft_assets/defs/critics"

PROMPT = Prompt(
    "prompt.md",
    """\
{% block system %}Label steps: {% for label in labels %}{{ label.name }} {% endfor %}
{{ answer }}{% endblock %}
{% block user %}{{ fence }}
{{ task }}
{{ run }}
Outcome: {{ outcome }}
Label {{ first_step }} to {{ last_step }}.{% endblock %}""",
)


def spec(**settings: Any) -> LlmSpec:
    """A critic with a large context."""
    return LlmSpec(**{"kind": "llm", "model": "m", "context": {"tokens": 100_000}, **settings})


def run(*steps: Step, task: str = "Mend it.") -> Trajectory:
    """A run of these steps."""
    for index, step in enumerate(steps):
        step.step_index = index
    messages = [{"role": "user", "content": task}, {"role": "assistant", "content": "…"}]
    return Trajectory("i.abc", "i", "mini-swe-agent", "test", messages, list(steps))


def step(thought: str = "", command: str = "ls", output: str = "", code: int | None = 0) -> Step:
    """A step with one action and one observation."""
    return Step(0, 0, thought, [Action("bash", command)], [output], [code])


def real_run(path: Path) -> Trajectory:
    """A run as it was published."""
    record = json.loads(path.read_text())
    return read_record(record, source=path.name, row=0, format=None)


@dataclass
class ReadStep:
    """A step as a reader of the prompt finds it."""

    index: int
    context: bool
    thoughts: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)


def user_text(request: Request) -> str:
    """The last message."""
    return request.body["messages"][-1]["content"]


def read_steps(text: str, fence: str) -> list[ReadStep]:
    """The steps of a prompt, found by nothing but the lines that hold the fence's id."""
    line = re.compile(rf"^<(/?)(\w+)_{fence}(?: (.*))?>$")
    steps: list[ReadStep] = []
    part: list[str] | None = None
    lines: list[str] = []

    def close() -> None:
        if part is not None:
            part.append("\n".join(lines))
        lines.clear()

    for told in text.split("\n"):
        found = line.match(told)
        if not found:
            lines.append(told)
            continue
        close()
        ends, kind, note = found.groups()
        part = None
        if kind == "step" and not ends:
            index, *context = note.removeprefix("index=").split(" ")
            steps.append(ReadStep(int(index), context == ["context"]))
        elif kind in ("thought", "action", "observation"):
            part = getattr(steps[-1], f"{kind}s")
    return steps


def fence_of(text: str) -> str:
    """The id of a prompt's fences, from the line that opens the task."""
    found = re.search(r"^<task_([0-9a-f]{8})>$", text, re.MULTILINE)
    assert found
    return found[1]


UNRESOLVED = Seen(outcome="unresolved")


def ask(trajectory: Trajectory, **settings: Any) -> Asked:
    """What a critic with these settings asks about an unresolved run."""
    return requests_for(spec(**settings), PROMPT, trajectory, UNRESOLVED)


def shown(request: Request) -> list[tuple[int, bool]]:
    """The steps that a prompt shows, each with whether it is context only."""
    text = user_text(request)
    return [(step.index, step.context) for step in read_steps(text, fence_of(text))]


def common_prefix(one: str, other: str) -> str:
    """The longest beginning that both have."""
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return one[:length]
