"""A chat in the making, for formats that hold no list of messages: turns put together from several
lines, answers by the call's id, and a new run wherever the context was rewritten on the way.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from srft_assets.trajectories.model import (
    DEMONSTRATION,
    RecordError,
    SilentError,
    Trajectory,
    kind_of,
)
from srft_assets.trajectories.reader import Facts, Source, assemble

Raw = dict[str, Any]
"""A message as `assemble` takes it."""


@dataclass(slots=True)
class Part:
    """Messages of one context: nothing in it was taken back. `codes`: by message index."""

    messages: list[Raw] = field(default_factory=list)
    codes: dict[int, int | None] = field(default_factory=dict)
    turns: dict[str, "Turn"] = field(default_factory=dict)
    last: "Turn | None" = None

    @property
    def spoken(self) -> bool:
        """Whether the model has a turn in it that is not only context."""
        return any(m["role"] == "assistant" and DEMONSTRATION not in m for m in self.messages)


@dataclass(slots=True)
class Turn:
    """One turn of the model: what it said, thought and called may come in pieces."""

    message: Raw

    def say(self, text: object) -> None:
        """Add text; what is no text, or empty, adds nothing."""
        self._join("content", text)

    def think(self, text: object) -> None:
        """Add reasoning."""
        self._join("reasoning_content", text)

    def call(self, call_id: object, name: object, arguments: object) -> None:
        """Add a call. Arguments that are no JSON text become it; a name must be text."""
        if not isinstance(name, str) or not name:
            raise RecordError(f"a call names no tool: {kind_of(name)}")
        function = {"name": name, "arguments": json_text(arguments)}
        one: Raw = {"type": "function", "function": function}
        if isinstance(call_id, str) and call_id:
            one["id"] = call_id
        self.message.setdefault("tool_calls", []).append(one)

    def _join(self, key: str, text: object) -> None:
        if isinstance(text, str) and text:
            before = self.message.get(key)
            self.message[key] = f"{before}\n{text}" if before else text


class Chat:
    """The chat of a run so far: one part, and one more for each time its context was rewritten."""

    def __init__(self) -> None:
        self.parts = [Part()]

    @property
    def messages(self) -> list[Raw]:
        """Those of the context as it is now."""
        return self.parts[-1].messages

    def tell(self, role: str, content: object, **keys: object) -> None:
        """Append a message that is no turn of the model; a turn that is open ends."""
        kept = {key: value for key, value in keys.items() if value is not None}
        self.messages.append({"role": role, "content": content, **kept})
        self.parts[-1].last = None

    def turn(self, key: object = None) -> Turn:
        """The model's turn of this id, also after its first answers; without an id the open one.

        A new turn begins where there is none.
        """
        part = self.parts[-1]
        known = part.turns.get(key) if isinstance(key, str) and key else part.last
        if known is not None:
            return known
        part.last = Turn({"role": "assistant", "content": None})
        part.messages.append(part.last.message)
        if isinstance(key, str) and key:
            part.turns[key] = part.last
        return part.last

    def end_turn(self) -> None:
        """What follows belongs to another turn."""
        self.parts[-1].last = None

    def answer(
        self, call_id: object, content: object, code: object = None, name: object = None
    ) -> None:
        """Append what answered a call; `code` is its return code where one is stated."""
        part = self.parts[-1]
        if isinstance(code, int) and not isinstance(code, bool):
            code -= 2**32 if code >= 2**31 else 0  # Windows states it without a sign
            if -(2**31) <= code < 2**31:
                part.codes[len(part.messages)] = code
        known = {"tool_call_id": call_id, "name": name}
        self.tell("tool", content, **{k: v for k, v in known.items() if isinstance(v, str) and v})

    def rewrite(self, context: Iterable[Raw]) -> None:
        """Begin a new part: from here on the model sees `context`, and not what came before.

        Turns of the model in it were its own in the part before, so that they are no steps here.
        """
        self.parts.append(Part(_as_context(context)))

    def only_context(self) -> None:
        """What was said so far was said in another run: no turn of it is a step of this one."""
        self.parts = [Part(_as_context(self.messages))]

    def runs(
        self, source: Source, format_name: str, facts: Facts, field: str = "messages"
    ) -> list[Trajectory]:
        """A run for each part in which the model has a turn; how it ended stands at the last.

        The second and those after it are `ID#2`, `ID#3`, … where the source states an id. Raises
        RecordError where the model never speaks.
        """
        spoken = [part for part in self.parts if part.spoken] or self.parts[-1:]
        runs = []
        for number, part in enumerate(spoken, start=1):
            own = facts
            if number < len(spoken):
                own = replace(own, exit_status=None)
            if number > 1 and facts.stated_id is not None:
                own = replace(own, stated_id=f"{facts.stated_id}#{number}")
            runs.append(assemble(source, format_name, part.messages, own, part.codes, field))
        return runs


def _as_context(messages: Iterable[Raw]) -> list[Raw]:
    return [
        {**message, DEMONSTRATION: True} if message["role"] == "assistant" else dict(message)
        for message in messages
    ]


def runs_of(parts: Iterable[Callable[[], list[Trajectory]]]) -> list[Trajectory]:
    """The runs of the parts of a record, but for those in which no model speaks. Raises RecordError
    where it speaks in none, and what a part raises beside that.
    """
    runs: list[Trajectory] = []
    silent: SilentError | None = None
    for read in parts:
        try:
            runs += read()
        except SilentError as error:
            silent = silent or error
    if silent and not runs:
        raise silent
    return runs


def json_text(value: object) -> str:
    """Arguments as the JSON text of an object; a text that is none is its only one, `input`."""
    if isinstance(value, str):
        try:
            given = orjson.loads(value)
        except orjson.JSONDecodeError:
            return orjson.dumps({"input": value}).decode() if value else "{}"
        return value if isinstance(given, dict) else orjson.dumps({"input": given}).decode()
    try:
        return orjson.dumps({} if value is None else value).decode()
    except TypeError as error:
        raise RecordError(f"arguments that cannot be written as JSON: {error}") from error


def child_id(parent: object, child: object) -> str | None:
    """`PARENT/CHILD`, the id of a subagent's run; what is known of the two otherwise."""
    known = [one for one in (parent, child) if isinstance(one, str) and one]
    return "/".join(known) or None


def of_reward(value: object) -> bool | None:
    """What a reward says of the tests: 1 passed, 0 or less failed; between them it does not say."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        return None
    return False if value <= 0 else (True if value == 1 else None)
