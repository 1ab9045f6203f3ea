"""A fallible scripted teacher: it reads the chat, acts, and errs at stated rates; and the collector
of `lab` batches, which has it play generated tasks in the sandbox.

It stands for the strong model whose runs are distilled. It knows which of its steps are
mistakes, and says so in `extra.teacher` of its messages, where no critic looks: readers of
runs keep only what a chat template can render.
"""

import os
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from random import Random
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from srft_assets.agent.play import Play, Told, missing, play_all, plays_of, sandboxed
from srft_assets.agent.protocol import ACTION, SUBMIT, TextModel, turn
from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError, first_problem
from srft_assets.lab.tasks import CHECK, OF_OPERATOR, OPERATORS, TaskSettings, generate_tasks
from srft_assets.outcomes.task import tasks_path, write_tasks
from srft_assets.plugins import need
from srft_assets.project.settings import settings as settings_now
from srft_assets.sandbox import open_sandbox
from srft_assets.trajectories.model import Message
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Work

_FAIL = re.compile(r"^FAIL (\w+): .* : (\w+) (\S+) (\w+)$", re.MULTILINE)
_EDIT = re.compile(r"^sed -i 's\|return (\w+)\.\*\|return (.+)\|' (\w+\.py)$")
_RETURN = re.compile(r"^def (\w+)\(.*\):\n    return (\w+) (\S+) (\w+)$", re.MULTILINE)
_OUTPUT = re.compile(r"<output>\n(.*)</output>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expression:
    """`left operator right`, of the function named."""

    function: str
    left: str
    operator: str
    right: str

    @property
    def text(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Exchange:
    command: str
    output: str

    @property
    def edit(self) -> tuple[str, str] | None:
        """First argument of the function that was edited, and its new expression."""
        found = _EDIT.match(self.command)
        return (found[1], found[2]) if found else None


@dataclass
class Conversation:
    """A chat in mini-swe-agent's text protocol, with the commands of the scripted teacher."""

    messages: list[Message]
    exchanges: list[Exchange] = field(init=False)

    def __post_init__(self) -> None:
        """Pair every command with the observation that follows it."""
        self.exchanges = []
        for said, answer in zip(self.messages, self.messages[1:], strict=False):
            action = re.search(ACTION, said["content"], re.DOTALL)
            if said["role"] == "assistant" and action:
                output = _OUTPUT.search(answer["content"])
                self.exchanges.append(Exchange(action[1], output[1] if output else ""))

    @cached_property
    def module(self) -> str:
        """The file named in the task."""
        found = re.search(r"\w+\.py", self.messages[1]["content"])
        return found[0] if found else ""

    @property
    def commands(self) -> list[str]:
        return [exchange.command for exchange in self.exchanges]

    @cached_property
    def functions(self) -> list[Expression]:
        """The functions of the module, as they stood when it was first read."""
        for exchange in self.exchanges:
            if exchange.command == f"cat {self.module}":
                return [Expression(*found) for found in _RETURN.findall(exchange.output)]
        return []

    @cached_property
    def last_check(self) -> int | None:
        """Index of the last exchange that ran the tests."""
        places = [place for place, command in enumerate(self.commands) if command == CHECK]
        return places[-1] if places else None

    @cached_property
    def failures(self) -> list[Expression]:
        """What the last run of the tests wants, for each test that failed."""
        if self.last_check is None:
            return []
        return [
            Expression(*found) for found in _FAIL.findall(self.exchanges[self.last_check].output)
        ]

    @property
    def untested(self) -> bool:
        """Whether there were edits since the tests were run last."""
        since = self.exchanges[0 if self.last_check is None else self.last_check :]
        return any(exchange.edit for exchange in since)

    def edits_of(self, target: Expression) -> int:
        return sum(1 for exchange in self.exchanges if (exchange.edit or ("",))[0] == target.left)


class Rates(BaseModel, extra="forbid", frozen=True):
    """Chances of the teacher's slips. The defaults leave about 60% of the runs unresolved, as
    the runs of arXiv 2605.10674 were (61%)."""

    needless: float = 0.10
    """Of a step that brings nothing: listing, reading again, testing again."""
    wrong_edit: float = 0.43
    """Of an edit that puts in another operator than the tests ask for."""
    wrong_again: float = 0.5
    """Of a wrong edit where the function was edited before."""
    near: float = 0.8
    """Of taking a like-looking operator, where the edit is wrong."""
    wrong_place: float = 0.08
    """Of breaking a function that was right."""
    untested: float = 0.08
    """Of submitting straight after an edit."""
    give_up: float = 0.05
    """Of submitting although the last test run failed."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step of the teacher, with its own judgement of it."""

    thought: str
    command: str
    label: Label
    reason: str


class Teacher(TextModel):
    """mini-swe-agent's model protocol, played by the script.

    A move depends on the chat, on `seed` and on `key` (the instance id) alone, so that a run
    can be played again.
    """

    def __init__(self, seed: int, key: str, rates: Rates | None = None):
        super().__init__(model_name="scripted-teacher")
        self._seed = f"teacher/{seed}/{key}"
        self._rates = rates or Rates()

    def reply(self, messages: list[Message]) -> tuple[str, dict[str, Any]]:
        """The next turn; `extra.teacher` bears its label and reason."""
        rng = Random(f"{self._seed}/{len(messages)}")
        move = next_move(Conversation(messages), self._rates, rng)
        judgement = {"label": move.label.value, "reason": move.reason}
        return turn(move.thought, move.command), {"teacher": judgement}


def next_move(chat: Conversation, rates: Rates, rng: Random) -> Move:
    if not _idle(chat) and rng.random() < rates.needless:
        return _needless(chat, rng)
    if not chat.functions:
        return Move("Read the code.", f"cat {chat.module}", Label.GOOD, "reads the module")
    if chat.last_check is None:
        return Move("Run the tests.", CHECK, Label.GOOD, "runs the tests")
    if chat.untested:
        if rng.random() < rates.untested:
            return Move("Done.", SUBMIT, Label.MISTAKE, "submits without running the tests")
        return Move("Run the tests.", CHECK, Label.GOOD, "tests the edit")
    if not chat.failures:
        return Move("Done.", SUBMIT, Label.GOOD, "submits after the tests passed")
    if any(exchange.edit for exchange in chat.exchanges) and rng.random() < rates.give_up:
        return Move("Done.", SUBMIT, Label.MISTAKE, "submits although tests fail")
    return _edit(chat, rates, rng)


def _idle(chat: Conversation) -> bool:
    """Whether the last step brought nothing; the teacher never idles twice in a row."""
    if not chat.commands:
        return False
    *before, last = chat.commands
    edits = [place for place, exchange in enumerate(chat.exchanges) if exchange.edit]
    since = before[edits[-1] + 1 :] if edits else before
    return last == "ls" or last in since or (last.startswith("cat ") and last in before)


def _needless(chat: Conversation, rng: Random) -> Move:
    if not chat.functions:
        return Move("Look around.", "ls", Label.UNNECESSARY, "the task names the file")
    if chat.last_check is None or chat.untested or rng.random() < 0.5:
        return Move(
            "Read the code.", f"cat {chat.module}", Label.UNNECESSARY, "has read the module already"
        )
    return Move("Run the tests.", CHECK, Label.UNNECESSARY, "nothing changed since the last test")


def _edit(chat: Conversation, rates: Rates, rng: Random) -> Move:
    failing = {failure.left for failure in chat.failures}
    healthy = [function for function in chat.functions if function.left not in failing]
    if healthy and rng.random() < rates.wrong_place:
        target = rng.choice(healthy)
        wrong = replace(target, operator=_other(target, rates, rng))
        return _sed(chat, wrong, Label.MISTAKE, "breaks a function whose test passes")
    target = chat.failures[0]
    again = chat.edits_of(target) > 0
    if rng.random() < (rates.wrong_again if again else rates.wrong_edit):
        wrong = replace(target, operator=_other(target, rates, rng))
        return _sed(chat, wrong, Label.MISTAKE, f"the test asks for {target.text}")
    if again:
        return _sed(chat, target, Label.RECOVER, "puts the earlier edit right")
    return _sed(chat, target, Label.GOOD, "does what the test asks for")


def _other(target: Expression, rates: Rates, rng: Random) -> str:
    """An operator of the same family that is not the target's."""
    if rng.random() < rates.near:
        return OF_OPERATOR[target.operator][0]
    family = next(ops for ops in OPERATORS.values() if target.operator in ops)
    return rng.choice([operator for operator in family if operator != target.operator])


def _sed(chat: Conversation, new: Expression, label: Label, reason: str) -> Move:
    command = f"sed -i 's|return {new.left}.*|return {new.text}|' {chat.module}"
    # Said before it is done, the expression is a short copy twice over: easy for a tiny model.
    return Move(f"Fix {new.function}: return {new.text}", command, label, reason)


COMMAND_SECONDS = 30.0
"""Time of one command of the teacher's."""

VERSION = 1
"""Raised when the runs that are played change; see tools/versions.py."""


class LabSettings(BaseModel, extra="forbid", frozen=True):
    """What a `lab` batch is made from."""

    count: int = Field(ge=1, le=1000)
    """Runs, one a task."""
    task_seed: int
    teacher_seed: int = 0
    step_limit: int = Field(default=16, ge=1)
    rates: Rates = Rates()
    tasks: TaskSettings = TaskSettings()


def collect(work: Work, settings: dict[str, Any]) -> Path:
    """Play the batch; returns the folder of its `<instance_id>.traj.json` files.

    Writes `<runs>/<batch>/tasks.jsonl` first. The folder is named by a digest of settings and
    version, and a run that came to its end is never played twice: after a crash the same call goes
    on where it stopped. Raises SrftError for bad settings, SandboxMissingError without sandbox
    (unless `SRFT_UNSAFE=1`).
    """
    need("rollout")
    try:
        stated = LabSettings.model_validate(settings)
    except ValidationError as error:
        raise SrftError(f"batch {work.partition}: setting {first_problem(error)}") from error
    sandbox = open_sandbox(unsafe=settings_now().unsafe)
    tasks = generate_tasks(stated.count, stated.task_seed, stated.tasks)
    listed = tasks_path(work.home, work.partition)
    write_tasks(listed, tasks)

    out = listed.parent / digest({"settings": stated.model_dump(), "version": VERSION})[:12]
    out.mkdir(parents=True, exist_ok=True)
    todo = missing(out, plays_of(tasks, 1))
    work.log.info("%d of %d runs are to be played", len(todo), len(tasks))

    def teacher(play: Play) -> AbstractContextManager[Teacher]:
        name = play.task.instance_id
        return nullcontext(Teacher(stated.teacher_seed, name, stated.rates))

    told = Told(steps=stated.step_limit)
    scene = partial(sandboxed, sandbox=sandbox, seconds=COMMAND_SECONDS, told=told)
    plays = play_all(todo, teacher, scene, out, _stop_at, max(2, min(4, os.cpu_count() or 2)))
    for _ in work.progress.track(plays, f"{work.partition}: teacher plays", len(todo)):
        pass
    return out


def _stop_at(play: Play, failure: Exception | None) -> None:
    if failure is not None:
        raise failure
