"""What must hold of a rendering before anything is trained on it."""

import json
from collections.abc import Sequence
from typing import Any

from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.messages import REASONING, call_of
from srft_assets.tokens.template import Spans
from srft_assets.tokens.turns import Turn
from srft_assets.trajectories.model import Message


def check_nothing_left_out(
    messages: Sequence[Message],
    tools: list[dict[str, Any]] | None,
    text: str,
    owned: dict[int, Spans],
    source: str,
) -> None:
    """Every message's words, and its tool calls, are in the rendering.

    A template without tool calls in it, or one that cuts earlier thinking, would otherwise train
    the model on half of what was done. White space and JSON escaping may differ.
    Raises RunRefusedError.
    """
    thinking: dict[int, bool] = {}
    for index, message in enumerate(messages):
        spans = owned.get(index)
        shown = text[spans[0][0] : spans[-1][1]] if spans else text
        where = f"message {index} ({message.get('role')})"
        if not _holds(shown, message["content"] or ""):
            raise RunRefusedError(f"the chat template leaves out text of {where}")
        for call in message.get("tool_calls", []):
            name, arguments = call_of(call)
            cells = arguments.values() if isinstance(arguments, dict) else [arguments]
            texts = [name, *(cell for cell in cells if isinstance(cell, str))]
            if not all(_holds(shown, cell) for cell in texts):
                raise RunRefusedError(f"the chat template leaves out a tool call of {where}")
        if REASONING[0] in message:
            thinking[index] = _holds(shown, message[REASONING[0]])
    if len(set(thinking.values())) > 1:
        lost = next(index for index, shown_here in thinking.items() if not shown_here)
        raise RunRefusedError(
            f"the chat template drops the thinking of message {lost} only; "
            "take a template that keeps the thinking of all turns, or of none"
        )
    if tools and "tools" in source and not all(_holds(text, said) for said in _told(tools)):
        raise RunRefusedError("the chat template leaves out the tools")


def check_generation(text: str, turns: Sequence[Turn], generated: Spans | None) -> None:
    """A template's own `{% generation %}` blocks agree with the turns found.

    Blocks that touch count as one. A block may take in some of the generation prompt, which the
    model is given and need not learn, and white space after the end-of-turn token.
    Raises RunRefusedError.
    """
    if generated is None:
        return
    blocks: dict[int, int] = {}
    for start, end in generated:
        first = next((head for head, tail in blocks.items() if tail == start), start)
        blocks[first] = end
    for turn in turns:
        stated = [end for start, end in blocks.items() if turn.asked <= start <= turn.start < end]
        if len(stated) != 1 or text[turn.start : stated[0]].rstrip() != text[turn.start : turn.end]:
            raise RunRefusedError(
                "the template's generation block does not cover the turn that opens "
                f"{text[turn.start : turn.end][:40]!r}"
            )


def _told(tools: Sequence[dict[str, Any]]) -> list[str]:
    functions = [tool.get("function") or tool for tool in tools]
    return [str(function.get(key, "")) for function in functions for key in ("name", "description")]


def _holds(text: str, part: str) -> bool:
    part = part.strip()
    if part in text or json.dumps(part, ensure_ascii=False)[1:-1] in text:
        return True
    return "".join(part.split()) in "".join(text.split())
