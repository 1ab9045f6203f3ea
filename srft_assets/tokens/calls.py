"""Tool calls and the tools offered, as a chat template is given them: as they were made."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.trajectories.model import Message

Arguments = Literal["mapping", "text", "written out"]
"""How tool calls reach the template: arguments as a dict, arguments as JSON text, or the whole
call written into the content, for a template that knows no tool calls."""

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
    written = [f"<tool_call>\n{_as_made(call['function'])}\n</tool_call>" for call in calls]
    return "\n".join([content, *written] if content else written)


def _as_made(function: dict[str, Any]) -> str:
    made = function["arguments"]
    text = made if isinstance(made, str) else as_json(made)
    return f'{{"name": {as_json(function["name"])}, "arguments": {text}}}'


def with_tools_told(messages: list[Message], tools: Tools, form: Arguments) -> list[Message]:
    """Copies of the messages, the first of which tells the tools, for a template that cannot."""
    if not tools or not messages:
        return messages
    told = TOLD.format(schemas="\n".join(map(as_json, tools)))
    told += HOW_TO_CALL if form == "written out" else ""
    first, *rest = messages
    parts = [first["content"], told] if first["role"] == "system" else [told, first["content"]]
    return [{**first, "content": "\n\n".join(filter(None, parts))}, *rest]


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
