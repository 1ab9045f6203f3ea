"""Which characters of a rendered chat come from which message.

A run's own words may look like a special token: an observation holds `<|im_end|>` because the agent
looked at a tokenizer's files, or because someone wants to forge a turn. They are wrapped in
private-use characters before rendering, so that every unwrapped special token is the template's,
or one that the model itself writes within its turn (`<tool_call>`, `<think>`).

A chat template is a loop over `messages`. The template's syntax tree is given two more outputs:
a mark at the head of each loop body, naming the message at hand, and a mark after the loop. One
rendering then shows whose text is where, on templates that are not prefix-stable as well: Qwen3
writes the last turn otherwise than the same turn followed by more messages, so that comparing
the renderings of prefixes finds nothing.

Mistral's templates go through copies: they build new messages, in which several of one role are
merged, and write those. A copy is known by what it was made of, see `_Known`.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from srft_assets.tokens.calls import Tools
from srft_assets.tokens.template import ChatTemplate, Spans, compiled
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message

PRIVATE = tuple(map(chr, range(0x10FF00, 0x10FFFE)))
"""Characters of the last private-use plane; a mark is any of them that the text is free of."""

NOBODY = -1
"""Index of a message that the template made up, or that it made of several."""


def trace(
    text: str, messages: Sequence[Message], tools: Tools, template: ChatTemplate
) -> tuple[tuple[tuple[int, int], ...], dict[int, Spans]]:
    """Where a rendering's literals and messages stand.

    Args:
        text: the rendering of `messages` and `tools` by the template.

    Returns:
        Ranges of `text` where the run's own words look like a special token; and message index →
        ranges of its text. The second is empty where the template cannot be traced: it reads its
        own output, or does not go through the messages by a loop over them.

    Raises RunRefusedError where the template cuts or changes words that look like a special token,
    and `TEMPLATE_ERRORS`.
    """
    literal, enter, leave = _free_marks(text)
    said, offered = _wrapped_chat(messages, tools, template, literal)
    given = {"tools": offered, **template.variables}
    marked, spans = _render_marked(template.source, said, (enter, leave), **given)
    if marked.replace(literal, "") != text:
        return literals_of(text, messages, tools, template), {}
    places = [found.start() for found in re.finditer(literal, marked)]

    def unmarked(position: int) -> int:
        return position - bisect_left(places, position)

    owned = {
        index: [(unmarked(start), unmarked(end)) for start, end in ranges]
        for index, ranges in spans.items()
    }
    return _literals(text, [unmarked(place) for place in places], template.tokenizer), owned


def literals_of(
    text: str,
    messages: Sequence[Message],
    tools: Tools,
    template: ChatTemplate,
    generation_prompt: bool = False,
) -> tuple[tuple[int, int], ...]:
    """Ranges of a rendering where the run's own words look like a special token; see `trace`."""
    literal = _free_marks(text)[0]
    said, offered = _wrapped_chat(messages, tools, template, literal)
    marked = template.apply(said, offered, generation_prompt)
    if marked.replace(literal, "") != text:
        raise RunRefusedError(
            "the chat template does not treat text that looks like a special token as text"
        )
    places = re.finditer(literal, marked)
    borders = [place.start() - number for number, place in enumerate(places)]
    return _literals(text, borders, template.tokenizer)


def _free_marks(text: str) -> list[str]:
    """Three characters that the text is free of. Raises RunRefusedError."""
    free = [char for char in PRIVATE if char not in text][:3]
    if len(free) < 3:
        raise RunRefusedError("the text uses every private-use character that could mark it")
    return free


def _wrapped_chat(
    messages: Sequence[Message], tools: Tools, template: ChatTemplate, mark: str
) -> tuple[list[Message], Tools]:
    """Copies with `mark` on both sides of what is text, though it looks like a special token: of
    the assistant's own words only what it cannot write itself."""
    pattern, own = template.tokenizer.special_pattern, template.foreign_to_a_turn
    said = [_wrapped(one, own if one["role"] == "assistant" else pattern, mark) for one in messages]
    return said, _wrapped(tools, pattern, mark)


def _wrapped(value: Any, pattern: re.Pattern[str], mark: str) -> Any:
    """A deep copy with `mark` on both sides of each match."""
    if isinstance(value, str):
        return pattern.sub(lambda found: f"{mark}{found[0]}{mark}", value)
    if isinstance(value, dict):
        return {
            _wrapped(key, pattern, mark): _wrapped(cell, pattern, mark)
            for key, cell in value.items()
        }
    if isinstance(value, list):
        return [_wrapped(item, pattern, mark) for item in value]
    return value


def _literals(
    text: str, borders: list[int], tokenizer: ChatTokenizer
) -> tuple[tuple[int, int], ...]:
    ranges = tuple(zip(borders[::2], borders[1::2], strict=False))
    matches = [tokenizer.special_pattern.fullmatch(text, start, end) for start, end in ranges]
    if len(borders) % 2 or not all(matches):
        raise RunRefusedError("the chat template cuts text that looks like a special token")
    return ranges


class _Marker(NodeTransformer):
    """Adds the marks. Loops are numbered in the order they are visited."""

    def __init__(self) -> None:
        self.loops = 0

    def visit_For(self, node: nodes.For) -> list[nodes.Node]:
        loop, self.loops = self.loops, self.loops + 1
        self.generic_visit(node)
        names = [target.name for target in node.target.find_all(nodes.Name)]
        if isinstance(node.target, nodes.Name):
            names = [node.target.name]
        heads = [_output("srft_enter", loop, nodes.Name(name, "load")) for name in names]
        node.body = [*heads, *node.body]
        return [node, _output("srft_leave", loop)]


def _output(function: str, loop: int, *arguments: nodes.Expr) -> nodes.Output:
    call = nodes.Call(nodes.Name(function, "load"), [nodes.Const(loop), *arguments], [], None, None)
    return nodes.Output([call])


def _render_marked(
    source: str, messages: Sequence[Message], marks: Sequence[str], **variables: Any
) -> tuple[str, dict[int, Spans]]:
    """The rendering, and where in it the text of each message stands (by index in `messages`).

    `marks` are two characters that occur nowhere in the rendering. A range is contiguous text
    written while the template's loop was at that message; text outside any loop belongs to none.
    """
    enter, leave = marks
    known = _Known(messages)

    def mark_enter(loop: int, value: object) -> str:
        index = known.index_of(value)
        return "" if index is None else f"{enter}{loop}.{index}{enter}"

    def mark_leave(loop: int) -> str:
        return f"{leave}{loop}{leave}"

    marked = compiled(source, _Marker).render(
        messages=messages, srft_enter=mark_enter, srft_leave=mark_leave, **variables
    )
    return _read_marks(marked, enter, leave)


class _Known:
    """Messages by identity, and by the identity of what a copy of them takes over."""

    def __init__(self, messages: Sequence[Message]) -> None:
        """`messages` are copies of ours, so that no tool call of one is that of another."""
        self._index = {id(message): index for index, message in enumerate(messages)}
        self._parts: dict[int, int] = {}
        for index, message in enumerate(messages):
            if isinstance(content := message.get("content"), str):
                # An object of its own, which Python would share between equal texts.
                message["content"] = content[:1] + content[1:]
            for part in _parts(message):
                taken = self._parts.setdefault(id(part), index)
                self._parts[id(part)] = index if taken == index else NOBODY

    def index_of(self, value: object) -> int | None:
        """Index of the message, or of the only one that a copy was made of. None: no message."""
        if id(value) in self._index:
            return self._index[id(value)]
        if not isinstance(value, dict) or "role" not in value:
            return None
        found = {self._parts.get(id(part), NOBODY) for part in _parts(value)}
        return found.pop() if len(found) == 1 else NOBODY


def _parts(message: dict[str, Any]) -> list[object]:
    """What tells whose copy a message is: its content, unless it is empty, and its calls."""
    calls = message.get("tool_calls")
    parts = [message.get("content") or None, *(calls if isinstance(calls, list) else [])]
    return [part for part in parts if part is not None]


def _read_marks(marked: str, enter: str, leave: str) -> tuple[str, dict[int, Spans]]:
    """Take the marks out. Loops may nest: text belongs to the innermost message."""
    pieces = re.split(f"({enter}[0-9.-]+{enter}|{leave}[0-9]+{leave})", marked)
    open_loops: list[tuple[str, int]] = []
    owned: dict[int, Spans] = {}
    position = 0
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            if piece and open_loops and open_loops[-1][1] != NOBODY:
                spans = owned.setdefault(open_loops[-1][1], [])
                start = spans.pop()[0] if spans and spans[-1][1] == position else position
                spans.append((start, position + len(piece)))
            position += len(piece)
            continue
        loop, _, index = piece[1:-1].partition(".")
        depth = next((at for at, (name, _) in enumerate(open_loops) if name == loop), None)
        if depth is not None:
            del open_loops[depth:]
        if index:
            open_loops.append((loop, int(index)))
    return "".join(pieces[::2]), owned
