"""Fixtures for playing mini-swe-agent."""

from pathlib import Path
from typing import Any

import pytest

from srft_assets.agent.play import Play, Told, play_in, sandboxed
from srft_assets.agent.protocol import TextModel, turn
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox


class Script(TextModel):
    """Says what it was told to say; an exception in the list is raised."""

    def __init__(self, *replies: str | BaseException):
        super().__init__(model_name="script")
        self.replies = list(replies)
        self.seen: list[list[dict[str, Any]]] = []
        self.noted: object = None

    def reply(self, messages: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        self.seen.append(messages)
        said = self.replies.pop(0)
        if isinstance(said, BaseException):
            raise said
        return said, {"note": len(self.seen), "noted": self.noted}


def commands(*lines: str) -> Script:
    """A model that gives these commands one after the other."""
    return Script(*(turn("Go on.", line) for line in lines))


def play(
    task: TaskInstance,
    model: TextModel,
    sandbox: Sandbox,
    *,
    out: Path,
    step_limit: int = 12,
    command_seconds: float = 30.0,
) -> Path:
    """Play in a working copy; returns the run's file."""
    target = Play(task).path(out)
    with sandboxed(Play(task), sandbox, command_seconds, Told(steps=step_limit)) as scene:
        environment, told = scene
        play_in(environment, task, model, target, told)
    return target


@pytest.fixture
def task() -> TaskInstance:
    return TaskInstance(
        instance_id="lab__tiny-1",
        repo="lab/tiny",
        base_commit="",
        problem_statement="Say {{ hello }} to {% the %} `world`; $(id)",
        files={"a.txt": "one\n", "sub/b.txt": "two\n"},
    )
