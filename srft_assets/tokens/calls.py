"""Tool calls and the tools offered, as a chat template is given them: as they were made."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.trajectories.model import Message

Arguments = Literal["mapping", "text", "written out"]
"""How tool calls reach the template: arguments as a dict, arguments as JSON text, or the whole
call written into the content, for a template that knows no tool calls."""

SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")
"""An id of a tool call as Mistral's templates take it."""
ASKS_FOR_SHORT_IDS = re.compile(r"id\s*\|\s*length\s*!=\s*9")
WRITES_IDS = re.compile(
    r"tool_call(?:\['id'\]|\.id)(?=.*<\|tool_call_argument_begin\|>)", re.DOTALL
)
"""A template that writes the ids of calls as it is given them, in Kimi's form."""

Tools = list[dict[str, Any]] | None
"""Schemas of the tools that a run was offered."""

TOLD = """# Tools

You may call these functions. Their signatures, as JSON:
<tools>
{schemas}
</tools>"""
HOW_TO_CALL = """

Call one by a JSON object with its name and its arguments within these tags:
<tool_call>
{"name": "…", "arguments": {…}}
</tool_call>"""


class ArgumentsError(RunRefusedError):
    """The arguments of a call are no JSON object, or one that would be written otherwise.

    Attributes:
        name: of the tool.
        text: the arguments as they were made.
        broken: whether they are no sound JSON object, and not only a number written unusually.
    """

    def __init__(self, reason: str, name: str, text: str, broken: bool = True) -> None:
        super().__init__(reason)
        self.name, self.text, self.broken = name, text, broken


class _RepeatedKeyError(ValueError):
    """A key stands twice in one object."""


class _NumberError(ValueError):
    """A number that a template would write otherwise."""


def calls_of(message: Message) -> list[dict[str, Any]]:
    """The tool calls of a turn. The one call of the older `function_call` counts like any other:
    templates do not know that key, and would leave the turn without its action.
    """
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    older = message.get("function_call")
    return calls if calls or not older else [{"function": older}]


def call_of(call: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a tool call; none, as vLLM hands them to templates, are `{}`.

    Raises ArgumentsError for arguments that are no JSON object, and for those that would not be
    written as they were: with a key twice, or a number such as 1e5, which becomes 100000.0.
    """
    function = call.get("function") or call
    name, made = str(function.get("name", "")), function.get("arguments")
    stated = made
    if isinstance(made, str):
        stated = _read(made, name) if made.strip() else None
    if stated is None:
        return name, {}
    if not isinstance(stated, dict):
        within = ", but JSON text within JSON text" if isinstance(stated, str) else ""
        reason = f"the arguments of a call of {name!r} are no JSON object{within}"
        raise ArgumentsError(reason, name, made if isinstance(made, str) else as_json(made))
    return name, stated


def is_broken(message: Message) -> bool:
    """Whether a turn makes a call whose arguments are no sound JSON object."""
    for call in calls_of(message):
        try:
            call_of(call)
        except ArgumentsError as error:
            if error.broken:
                return True
    return False


def given(call: dict[str, Any], form: Arguments) -> dict[str, Any]:
    """A call in the form that a template takes.

    Raises ArgumentsError where that is a dict, and the arguments cannot be one. As text sound
    ones are written anew by `as_json`, others stay as they were made.
    """
    written: object
    try:
        name, arguments = call_of(call)
        written = as_json(arguments) if form == "text" else arguments
    except ArgumentsError as error:
        if form == "mapping":
            raise
        name, written = error.name, error.text
    plain = {"type": "function", "function": {"name": name, "arguments": written}}
    return {"id": call["id"], **plain} if call.get("id") else plain


def written_out(content: str, calls: Sequence[dict[str, Any]]) -> str:
    """A turn's content with its calls behind it."""
    written = [content] if content else []
    for function in (call["function"] for call in calls):
        name, made = as_json(function["name"]), function["arguments"]
        text = made if isinstance(made, str) else as_json(made)
        written.append(f'<tool_call>\n{{"name": {name}, "arguments": {text}}}\n</tool_call>')
    return "\n".join(written)


def with_tools_told(messages: list[Message], tools: Tools, form: Arguments) -> list[Message]:
    """Copies of the messages, the first of which tells the tools, for a template that cannot."""
    if not tools or not messages:
        return messages
    told = TOLD.format(schemas="\n".join(map(as_json, tools)))
    told += HOW_TO_CALL if form == "written out" else ""
    first, *rest = messages
    parts = [first["content"], told] if first["role"] == "system" else [told, first["content"]]
    return [{**first, "content": "\n\n".join(filter(None, parts))}, *rest]


def with_ids_for(source: str, messages: Sequence[Message]) -> list[Message]:
    """Copies whose tool calls have ids as the model knows them, and tool results those of theirs.

    An id stands for nothing but itself, so another one says the same. Mistral's templates refuse
    those that have not nine letters and digits: one is derived from the old one, or from the call's
    place where there was none. Kimi's write them before the arguments, and its models and parsers
    know `functions.<name>:<number>` only, the calls of a chat numbered from 0. Results without an
    id answer in order.
    """
    name: Callable[[dict[str, Any], str, int], str]
    if ASKS_FOR_SHORT_IDS.search(source):
        name = _short_id
    elif WRITES_IDS.search(source):
        name = _numbered_id
    else:
        return list(messages)
    named: dict[str, str] = {}
    waiting: list[str] = []
    changed, count = [], 0
    for index, message in enumerate(messages):
        if message.get("tool_calls"):
            calls = []
            for at, call in enumerate(message["tool_calls"]):
                own = name(call, f"{index}.{at}", count)
                named[str(call.get("id"))] = own
                calls.append({**call, "id": own})
                count += 1
            waiting = [call["id"] for call in calls]
            message = {**message, "tool_calls": calls}
        elif message["role"] == "tool":
            if stated := message.get("tool_call_id"):
                own = named.get(stated) or _short_id({"id": stated}, "", 0)
            else:
                own = waiting[0] if waiting else _hashed(f"{index}.0")
            waiting = [one for one in waiting if one != own]
            message = {**message, "tool_call_id": own}
        changed.append(message)
    return changed


def _short_id(call: dict[str, Any], place: str, number: int) -> str:
    stated = call.get("id")
    return stated if stated and SHORT_ID.fullmatch(stated) else _hashed(stated or place)


def _numbered_id(call: dict[str, Any], place: str, number: int) -> str:
    return f"functions.{call['function']['name']}:{number}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:9]


def as_json(value: object) -> str:
    """As templates write it: in one line, with blanks between, and nothing escaped needlessly."""
    return json.dumps(value, ensure_ascii=False)


def _read(text: str, name: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_float=lambda number: _same(float(number), number),
            parse_int=lambda number: _same(int(number), number),
            parse_constant=_no_json,
        )
    except _RepeatedKeyError as error:
        reason = f"a call of {name!r} has the argument {error} twice"
        raise ArgumentsError(reason, name, text) from None
    except _NumberError as error:
        reason = (
            f"a call of {name!r} has the number {error}, which the chat template would write "
            "otherwise"
        )
        raise ArgumentsError(reason, name, text, broken=False) from None
    except (ValueError, RecursionError):
        reason = f"the arguments of a call of {name!r} are broken JSON"
        raise ArgumentsError(reason, name, text) from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(repr(next(key for key in keys if keys.count(key) > 1)))
    return found


def _same(number: float, text: str) -> float:
    if json.dumps(number) != text:
        raise _NumberError(text)
    return number


def _no_json(constant: str) -> None:
    raise ValueError(constant)
