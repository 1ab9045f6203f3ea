"""A run as its model's chat template writes it, and where its assistant turns stand in it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from srft_assets.tokens.calls import ArgumentsError, Tools, is_broken
from srft_assets.tokens.omissions import check_generation, check_nothing_left_out
from srft_assets.tokens.template import (
    TEMPLATE_ERRORS,
    ChatTemplate,
    Form,
    Spans,
    for_template,
    forms,
    suitable_template,
    text_of,
)
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.tokens.trace import literals_of, trace
from srft_assets.trajectories.model import Message, Step, Trajectory

THINKING = re.compile(r"<think>\s*(</think>\s*)?\Z")
"""End of a generation prompt that opens the thinking itself (DeepSeek-R1, QwQ, Qwen3-Thinking) or
says that there is none (Qwen3.5)."""
EMPTY_THINKING = re.compile(r"\n?<think>\s*</think>\n*")
"""What a template writes into a turn in which the model did not think (Qwen3, Nemotron, GLM)."""


class TemplateFailedError(RunRefusedError):
    """The chat template raises on this run."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model wrote for one step: `text[start:end]`, its end-of-turn token included.

    Attributes:
        asked: where the generation prompt starts; it ends at `start`.
        terminator: text of the end-of-turn token.
        broken: whether it makes a call with broken arguments: it stays, and carries no loss.
    """

    step_index: int
    asked: int
    start: int
    end: int
    terminator: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered chat.

    Attributes:
        text: exactly what `apply_chat_template(…, tokenize=False)` gives on `RENDER_DATE`; behind a
            last turn that the template leaves open stands the token that ends it.
        turns: one for each step, in order; they do not overlap.
        literals: ranges where the run's own words look like a special token.
        path: how the turns were found: by one traced rendering, or by rendering every prefix.
        thinking_dropped: whether the template leaves out the thinking of every turn.
    """

    text: str
    turns: tuple[Turn, ...]
    literals: tuple[tuple[int, int], ...]
    path: Literal["traced", "prefixes"] = "traced"
    thinking_dropped: bool = False


@dataclass(frozen=True, slots=True)
class Chat:
    """A run in the form that its template takes, and its rendering; see `Rendering`."""

    run: Trajectory
    template: ChatTemplate
    messages: list[Message]
    text: str
    literals: tuple[tuple[int, int], ...]


def render(run: Trajectory, tokenizer: ChatTokenizer) -> Rendering:
    """Render a run and find its turns.

    Raises RunRefusedError where the template fails on the run, leaves out or repeats a turn,
    merges turns, ends them with no end-of-turn token, or disagrees with its own generation blocks.
    """
    template = suitable_template(tokenizer, run.tools)
    tried = forms(template.source, run.messages)
    return _in_a_form(tried, lambda form: _render(run, template, form))


def render_prompt(messages: Sequence[Message], tools: Tools, tokenizer: ChatTokenizer) -> Rendering:
    """What a model is given to write the turn after these messages, as in training; no turns.

    Raises RunRefusedError.
    """
    template = suitable_template(tokenizer, tools)

    def asked(form: Form) -> Rendering:
        said = for_template(messages, form, template.source, tools, template.opens_thinking)
        try:
            text = template.apply(said, tools, generation_prompt=True)
            literals = literals_of(text, said, tools, template, generation_prompt=True)
        except TEMPLATE_ERRORS as error:
            raise _failed(error) from error
        return Rendering(text, (), literals)

    return _in_a_form(forms(template.source, messages), asked)


def _in_a_form(tried: Sequence[Form], render_in: Callable[[Form], Rendering]) -> Rendering:
    """The first rendering that holds. Raises RunRefusedError: which arguments it cannot write, else
    why the last that was read did not hold, else why the template failed."""
    reasons: list[RunRefusedError] = []
    for form in tried:
        try:
            return render_in(form)
        except RunRefusedError as error:
            reasons.append(error)
    told = [reason for reason in reasons if not isinstance(reason, TemplateFailedError)]
    made = [reason for reason in told if isinstance(reason, ArgumentsError)]
    raise (made or told[-1:] or reasons)[0]


def _failed(error: Exception) -> TemplateFailedError:
    return TemplateFailedError(f"the chat template fails on this run: {error}")


def _render(run: Trajectory, template: ChatTemplate, form: Form) -> Rendering:
    opened = template.opens_thinking
    messages = for_template(run.messages, form, template.source, run.tools, opened)
    try:
        text = template.apply(messages, run.tools)
        text.encode()
        blocks = template.generation_blocks(messages, run.tools)
        literals, owned = trace(text, messages, run.tools, template)
    except UnicodeEncodeError as error:
        raise RunRefusedError(
            "the run holds a lone surrogate, which no tokenizer can encode"
        ) from error
    except TEMPLATE_ERRORS as error:
        raise _failed(error) from error
    chat = Chat(run, template, messages, text, literals)
    path: Literal["traced", "prefixes"] = "traced" if owned else "prefixes"
    owned = owned or by_prefixes(chat)
    text += _last_marker(chat)
    chat = replace(chat, text=text)
    turns = tuple(_turn(chat, step, owned) for step in run.steps)
    dropped = check_nothing_left_out(messages, run.tools, text, owned, opened)
    check_generation(text, [(turn.asked, turn.start, turn.end) for turn in turns], blocks)
    return Rendering(text, turns, literals, path, dropped)


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
        start = chat.template.apply(chat.messages[:count], chat.run.tools)
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
    added = EMPTY_THINKING.match(chat.text, start, limit)
    message = chat.run.messages[step.message_index]
    said = text_of(message.get("content"), where)
    if added and not EMPTY_THINKING.match(said.lstrip()):
        start = added.end()
    end, terminator = _end(chat, start, limit, where)
    return Turn(step.step_index, asked, start, end, terminator, is_broken(message))


def _end(chat: Chat, start: int, limit: int, where: str) -> tuple[int, str]:
    """Where a turn ends, and its last token: the last of its own, else that behind it.

    The token behind it opens the next message. It is the turn's end for a model that stops at it:
    where its files say so, or its template closes no turn (GLM). Raises RunRefusedError.
    """
    tokenizer, stops = chat.template.tokenizer, chat.template.end_tokens
    literal_starts = {literal for literal, _ in chat.literals}
    own = [
        found
        for found in tokenizer.special_pattern.finditer(chat.text, start, limit)
        if found.start() not in literal_starts
    ]
    closed = bool(own) and not chat.text[own[-1].end() : limit].strip()
    if closed and own[-1][0] in stops:
        return own[-1].end(), own[-1][0]
    behind = tokenizer.special_pattern.match(chat.text, limit)
    if behind and behind.start() not in literal_starts and behind[0] in stops:
        return behind.end(), behind[0]
    if not closed:
        raise RunRefusedError(f"no end-of-turn token closes {where} as rendered")
    raise RunRefusedError(
        f"{where} ends with {own[-1][0]}, which does not end a turn of this model"
    )


def _last_marker(chat: Chat) -> str:
    """What ends a last turn that the template leaves open: GLM's writes no message behind it.

    Without it the model would learn where to stop in every turn but the last.
    """
    markers = chat.template.next_markers
    last = chat.messages[-1] if chat.messages else {}
    if not markers or last.get("role") != "assistant":
        return ""
    return markers[-1] if last.get("tool_calls") else markers[0]


def _start(chat: Chat, message: int, span: tuple[int, int], where: str) -> int:
    """Where the generation prompt of a turn ends."""
    prompt = chat.template.generation_prompt
    if (after := _after(chat.text, prompt, span)) is not None:
        return after
    asked, alone = chat.template.prompts_after(chat.messages[:message], chat.run.tools)
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
