"""A fallible scripted teacher: it reads the chat, acts, and errs at stated rates.

It stands for the strong model whose runs are distilled. It knows which of its steps are
mistakes, and says so in `extra.teacher` of its messages, where no critic looks: readers of
runs keep only what a chat template can render.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict

from srft_assets.agent.prompts import SUBMIT, turn
from srft_assets.agent.text_model import TextModel
from srft_assets.critic.verdict import Label
from srft_assets.lab.conversation import Conversation, Expression
from srft_assets.lab.repository import CHECK
from srft_assets.lab.words import NEAR, OPERATORS
from srft_assets.trajectories.model import Message


class Rates(BaseModel):
    """Chances of the teacher's slips. The defaults leave about 60% of the runs unresolved, as
    the runs of arXiv 2605.10674 were (61%)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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

    def text(self) -> str:
        """As an assistant turn."""
        return turn(self.thought, self.command)


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
        return move.text(), {"teacher": {"label": move.label.value, "reason": move.reason}}


def next_move(chat: Conversation, rates: Rates, rng: Random) -> Move:
    """What the teacher does next."""
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
        return NEAR[target.operator]
    family = next(ops for ops in OPERATORS.values() if target.operator in ops)
    return rng.choice([operator for operator in family if operator != target.operator])


def _sed(chat: Conversation, new: Expression, label: Label, reason: str) -> Move:
    command = f"sed -i 's|return {new.left}.*|return {new.text}|' {chat.module}"
    # Said before it is done, the expression is a short copy twice over: easy for a tiny model.
    return Move(f"Fix {new.function}: return {new.text}", command, label, reason)
