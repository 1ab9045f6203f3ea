"""What a reader of the chat so far knows of the task: files read, tests run, edits made."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from srft_assets.agent.prompts import ACTION
from srft_assets.lab.repository import CHECK
from srft_assets.trajectories.model import Message

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
        """Source of the expression."""
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and what it printed."""

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
        for turn, answer in zip(self.messages, self.messages[1:], strict=False):
            action = re.search(ACTION, turn["content"], re.DOTALL)
            if turn["role"] == "assistant" and action:
                output = _OUTPUT.search(answer["content"])
                self.exchanges.append(Exchange(action[1], output[1] if output else ""))

    @cached_property
    def module(self) -> str:
        """The file named in the task."""
        found = re.search(r"\w+\.py", self.messages[1]["content"])
        return found[0] if found else ""

    @property
    def commands(self) -> list[str]:
        """Every command so far."""
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
        """How often the function was edited already."""
        return sum(1 for exchange in self.exchanges if (exchange.edit or ("",))[0] == target.left)
