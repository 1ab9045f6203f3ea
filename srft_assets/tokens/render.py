"""A run as its model's chat template writes it, and where its assistant turns stand in it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from srft_assets.tokens.template import (
    REASONING,
    TEMPLATE_ERRORS,
    Form,
    Spans,
    Tools,
    apply,
    call_of,
    end_tokens,
    for_template,
    forms,
    generation_blocks,
    generation_prompt,
    prompts_after,
)
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.tokens.trace import trace
from srft_assets.trajectories.model import Message, Step, Trajectory

THINKING = re.compile(r"<think>\s*(</think>\s*)?\Z")
"""End of a generation prompt that opens the thinking itself (DeepSeek-R1, QwQ, Qwen3-Thinking) or
says that there is none (Qwen3.5)."""


class TemplateFailedError(RunRefusedError):
    """The chat template raises on this run."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model wrote for one step: `text[start:end]`, its end-of-turn token included.

    Attributes:
        asked: where the generation prompt starts; it ends at `start`.
        terminator: text of the end-of-turn token.
    """

    step_index: int
    asked: int
    start: int
    end: int
    terminator: str


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered chat.

    Attributes:
        text: exactly what `apply_chat_template(…, tokenize=False)` gives on `RENDER_DATE`.
        turns: one for each step, in order; they do not overlap.
        literals: ranges where the run's own words look like a special token.
        path: how the turns were found: by one traced rendering, or by rendering every prefix.
    """

    text: str
    turns: tuple[Turn, ...]
    literals: tuple[tuple[int, int], ...]
    path: Literal["traced", "prefixes"] = "traced"


@dataclass(frozen=True, slots=True)
class Chat:
    """A run in the form that its template takes, and its rendering; see `Rendering`."""

    run: Trajectory
    tokenizer: ChatTokenizer
    source: str
    messages: list[Message]
    text: str
    literals: tuple[tuple[int, int], ...]


def render(run: Trajectory, tokenizer: ChatTokenizer) -> Rendering:
    """Render a run and find its turns.

    Raises RunRefusedError where the template fails on the run, leaves out or repeats a turn,
    merges turns, ends them with no end-of-turn token, or disagrees with its own generation blocks.
    """
    source = tokenizer.template(run.tools)
    reasons: list[RunRefusedError] = []
    for form in forms(source, run.messages):
        try:
            return _render(run, tokenizer, source, form)
        except RunRefusedError as error:
            reasons.append(error)
    told = [reason for reason in reasons if not isinstance(reason, TemplateFailedError)]
    raise told[-1] if told else reasons[0]


def _render(run: Trajectory, tokenizer: ChatTokenizer, source: str, form: Form) -> Rendering:
    messages = for_template(run.messages, form, source)
    try:
        text = apply(tokenizer, source, messages, run.tools)
        text.encode()
        blocks = generation_blocks(tokenizer, source, messages, run.tools)
        literals, owned = trace(text, messages, run.tools, tokenizer, source)
    except UnicodeEncodeError as error:
        raise RunRefusedError(
            "the run holds a lone surrogate, which no tokenizer can encode"
        ) from error
    except TEMPLATE_ERRORS as error:
        raise TemplateFailedError(f"the chat template fails on this run: {error}") from error
    chat = Chat(run, tokenizer, source, messages, text, literals)
    path: Literal["traced", "prefixes"] = "traced" if owned else "prefixes"
    owned = owned or by_prefixes(chat)
    turns = tuple(_turn(chat, step, owned) for step in run.steps)
    _check_nothing_left_out(messages, run.tools, text, owned, source)
    _check_generation(text, turns, blocks)
    return Rendering(text, turns, literals, path)


def by_prefixes(chat: Chat) -> dict[int, Spans]:
    """Ranges of the steps' texts: what each adds to the rendering of the messages before it.

    The slow way, for templates that cannot be traced: two renderings a step. Raises
    RunRefusedError where the template writes the start of this run otherwise when more follows.
    """
    owned: dict[int, Spans] = {}
    for step in chat.run.steps:
        before, after = (_end_of_first(chat, step.message_index + more) for more in (0, 1))
        owned[step.message_index] = [(before, after)] if after > before else []
    return owned


def _end_of_first(chat: Chat, count: int) -> int:
    """Where the rendering of the first messages ends in that of all. Raises RunRefusedError."""
    try:
        start = apply(chat.tokenizer, chat.source, chat.messages[:count], chat.run.tools)
    except TEMPLATE_ERRORS as error:
        raise RunRefusedError(
            f"the chat template fails on the first {count} messages: {error}"
        ) from error
    if not chat.text.startswith(start):
        raise RunRefusedError(
            f"the chat template writes the first {count} messages otherwise when more follows, "
            "and cannot be traced"
        )
    return len(start)


def _turn(chat: Chat, step: Step, owned: dict[int, Spans]) -> Turn:
    """The turn of a step. Raises RunRefusedError where it is left out, repeated or merged with
    another, or is not closed by an end-of-turn token of the model."""
    where = f"step {step.step_index} (message {step.message_index})"
    spans = owned.get(step.message_index, [])
    if len(spans) != 1:
        how = "leaves out" if not spans else f"writes in {len(spans)} places"
        raise RunRefusedError(f"the chat template {how} {where}")
    asked, limit = spans[0]
    start = _start(chat, step.message_index, spans[0], where)
    literal_starts = {literal for literal, _ in chat.literals}
    ends = [
        found
        for found in chat.tokenizer.special_pattern.finditer(chat.text, start, limit)
        if found.start() not in literal_starts
    ]
    if not ends or chat.text[ends[-1].end() : limit].strip():
        raise RunRefusedError(f"no end-of-turn token closes {where} as rendered")
    terminator = ends[-1][0]
    if terminator not in end_tokens(chat.tokenizer, chat.source):
        raise RunRefusedError(
            f"{where} ends with {terminator}, which does not end a turn of this model"
        )
    return Turn(step.step_index, asked, start, ends[-1].end(), terminator)


def _start(chat: Chat, message: int, span: tuple[int, int], where: str) -> int:
    """Where the generation prompt of a turn ends."""
    prompt = generation_prompt(chat.tokenizer, chat.source)
    if (after := _after(chat.text, prompt, span)) is not None:
        return after
    asked, alone = prompts_after(
        chat.messages[:message], chat.run.tools, chat.tokenizer, chat.source
    )
    for before in (asked, THINKING.sub("", asked)):
        if chat.text.startswith(before) and span[0] <= len(before) <= span[1]:
            return len(before)
    if alone and (after := _after(chat.text, alone, span)) is not None:
        return after
    raise RunRefusedError(f"the generation prompt {prompt!r} does not open {where} as rendered")


def _after(text: str, prompt: str, span: tuple[int, int]) -> int | None:
    """The end of a prompt that opens a turn, with the thinking or, where it has none, without."""
    header = THINKING.sub("", prompt)
    for opening in (prompt, header) if header else (prompt,):
        if text.startswith(opening, *span):
            return span[0] + len(opening)
    return None


def _check_nothing_left_out(
    messages: Sequence[Message],
    tools: Tools,
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


def _check_generation(text: str, turns: Sequence[Turn], generated: Spans | None) -> None:
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
