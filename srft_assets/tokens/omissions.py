"""What a chat template leaves out of a run, and where it disagrees with itself."""

import json
import re
from collections.abc import Mapping, Sequence

from srft_assets.tokens.calls import Tools, as_json
from srft_assets.tokens.template import REASONING, Spans
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.trajectories.model import Message


def check_nothing_left_out(
    messages: Sequence[Message],
    tools: Tools,
    text: str,
    owned: Mapping[int, Spans],
    opened: bool = False,
) -> bool:
    """Every message's words, its tool calls and the tools offered are in the rendering.

    A template without tool calls in it would otherwise train the model on half of what was done.
    White space and JSON escaping may differ, but not in arguments that are handed over as text, and
    not in words that mention `</think>`: a template makes thinking of what precedes it, unless the
    prompt has `opened` the thinking. Thinking may be left out of all turns: the answer is whether
    it is. Raises RunRefusedError.
    """
    thinking: dict[int, bool] = {}
    for index, message in enumerate(messages):
        spans = owned.get(index)
        shown = text[spans[0][0] : spans[-1][1]] if spans else text
        where = f"message {index} ({message.get('role')})"
        words = message["content"] or ""
        if not _holds(shown, words) or not (opened or _mentions(shown, words)):
            raise RunRefusedError(f"the chat template leaves out text of {where}")
        for call in message.get("tool_calls", []):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            texts = [name]
            whole = True
            if isinstance(arguments, str):
                whole = arguments.strip() in shown and not _quoted(shown, arguments, message)
            else:
                texts += [cell for cell in arguments.values() if isinstance(cell, str)]
            if not whole or not all(_holds(shown, cell) for cell in texts):
                raise RunRefusedError(f"the chat template leaves out a tool call of {where}")
        if REASONING[0] in message:
            thinking[index] = _holds(shown, message[REASONING[0]])
    if len(set(thinking.values())) > 1:
        lost = next(index for index, shown_here in thinking.items() if not shown_here)
        raise RunRefusedError(
            f"the chat template drops the thinking of message {lost} only; "
            "take a template that keeps the thinking of all turns, or of none"
        )
    for function in (tool.get("function") or tool for tool in tools or ()):
        if not all(_holds(text, str(function.get(key, ""))) for key in ("name", "description")):
            raise RunRefusedError("the chat template leaves out the tools")
    return bool(thinking) and not any(thinking.values())


def check_generation(
    text: str, turns: Sequence[tuple[int, int, int]], generated: Spans | None
) -> None:
    """A template's own `{% generation %}` blocks agree with the turns found.

    A turn is where its generation prompt starts, and its own start and end.
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
    for asked, start, end in turns:
        stated = [tail for head, tail in blocks.items() if asked <= head <= start < tail]
        if len(stated) != 1 or text[start : stated[0]].rstrip() != text[start:end]:
            raise RunRefusedError(
                "the template's generation block does not cover the turn that opens "
                f"{text[start:end][:40]!r}"
            )


def _mentions(text: str, words: str) -> bool:
    """Whether words with a `</think>` in them stand as they are, and not behind a `<think>`."""
    words = words.strip()
    made_thinking = re.compile(rf"<think>\s*{re.escape(words)}")
    return "</think>" not in words or (words in text and not made_thinking.search(text))


def _quoted(shown: str, arguments: str, message: Message) -> bool:
    """Whether a template quotes arguments that are text: in more places than the turn says so."""
    quoted = as_json(arguments)
    made = [call["function"]["arguments"] for call in message["tool_calls"]]
    said = [message["content"], message.get(REASONING[0]), *made]
    return shown.count(quoted) > sum(one.count(quoted) for one in said if isinstance(one, str))


def _holds(text: str, part: str) -> bool:
    part = part.strip()
    if part in text or json.dumps(part, ensure_ascii=False)[1:-1] in text:
        return True
    return "".join(part.split()) in "".join(text.split())
