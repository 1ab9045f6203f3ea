"""Held-out tasks played side by side in one thread, turn by turn, by mini-swe-agent's rules.

`agent.play` drives mini-swe-agent itself, in a thread and a working copy a run. Thousands of runs
on two cores need less: this is its loop (DefaultAgent 2.4 with the text protocol), and a test
holds it to what `agent.play` records.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from srft_assets.agent import prompts
from srft_assets.errors import SrftError
from srft_assets.experiment.decoding import LaneGenerator
from srft_assets.experiment.repository import Repository, grade
from srft_assets.outcomes.model import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.generator import Answer, Prompt
from srft_assets.rollouts.model import CONTEXT_LIMIT
from srft_assets.rollouts.prompt import prompt_ids
from srft_assets.sandbox import Sandbox, SandboxError
from srft_assets.trajectories.model import Message

FORMAT_ERRORS = 3
"""In a row; then mini-swe-agent ends the run."""


@dataclass(frozen=True, slots=True)
class Score:
    """One held-out task, played once."""

    instance_id: str
    status: Status
    exit_status: str
    steps: int
    in_memory: bool
    """Whether no sandbox was needed."""

    @property
    def resolved(self) -> bool | None:
        """None where the machine failed, not the model."""
        return None if self.status == Status.INFRA_ERROR else self.status == Status.RESOLVED


@dataclass
class Game:
    """One run under way."""

    repository: Repository
    step_limit: int
    messages: list[Message] = field(default_factory=list)
    steps: int = 0
    errors: int = 0
    ended: str = ""
    broken: bool = False
    """Whether the machine failed, not the model."""

    def __post_init__(self) -> None:
        task = self.repository.task.problem_statement
        self.messages = [
            {"role": "system", "content": prompts.SYSTEM},
            {"role": "user", "content": _template(prompts.INSTANCE).render(task=task)},
        ]

    def begin_turn(self, ids: Sequence[int], room: int) -> bool:
        """Whether there is another turn; otherwise the run has ended."""
        if self.steps >= self.step_limit:
            self.ended = "LimitsExceeded"
        elif len(ids) > room:
            self.ended = CONTEXT_LIMIT
        else:
            self.steps += 1
        return not self.ended

    def take(self, answer: Answer) -> None:
        """Carry out what the model said."""
        actions = [one.strip() for one in re.findall(prompts.ACTION, answer.text, re.DOTALL)]
        if len(actions) != 1:
            self._refuse(actions)
            return
        self.errors = 0
        self._say("assistant", answer.text)
        try:
            output = self.repository.execute(actions[0])
        except (SandboxError, SrftError, OSError) as error:
            self.ended, self.broken = type(error).__name__, True
            return
        if self.repository.submission is not None:
            self.ended = "Submitted"
            return
        self._say("user", _template(prompts.OBSERVATION).render(output=output))

    def _refuse(self, actions: list[str]) -> None:
        """mini-swe-agent leaves out of the chat what it could not read."""
        self.errors += 1
        self._say("user", _template(prompts.FORMAT_ERROR).render(actions=actions))
        if self.errors >= FORMAT_ERRORS:
            self.ended = "RepeatedFormatError"

    def _say(self, role: str, content: str) -> None:
        self.messages.append({"role": role, "content": content})


def play_tasks(
    tasks: Sequence[TaskInstance],
    generator: LaneGenerator,
    sandbox: Sandbox,
    step_limit: int,
    report: Callable[[int], None] = lambda _: None,
) -> list[Score]:
    """Play every task once and grade it; scores in the order of the tasks.

    `report` hears of the number of runs that have ended, after each turn of all.
    """
    games = [Game(Repository(task, sandbox), step_limit) for task in tasks]
    checkpoint = generator.checkpoint
    room = checkpoint.context - generator.max_new_tokens
    try:
        playing = games
        while playing:
            asked = [prompt_ids(game.messages, checkpoint.tokenizer) for game in playing]
            pairs = [
                (game, Prompt(game.repository.task.instance_id, ids))
                for game, ids in zip(playing, asked, strict=True)
                if game.begin_turn(ids, room)
            ]
            answers = generator.answer([prompt for _, prompt in pairs]) if pairs else []
            for (game, _), answer in zip(pairs, answers, strict=True):
                game.take(answer)
            for game in playing:
                if game.ended:
                    generator.forget(game.repository.task.instance_id)
            playing = [game for game in playing if not game.ended]
            report(len(games) - len(playing))
        return [_score(game) for game in games]
    finally:
        for game in games:
            game.repository.close()


def _score(game: Game) -> Score:
    repository = game.repository
    status = Status.INFRA_ERROR if game.broken else grade(repository)[0]
    name = repository.task.instance_id
    return Score(name, status, game.ended, game.steps, repository.copy is None)


@cache
def _template(text: str) -> Any:
    from jinja2 import StrictUndefined, Template

    return Template(text, undefined=StrictUndefined)
