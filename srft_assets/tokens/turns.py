"""Where the turns of a run's steps stand in its rendering."""

import re
from dataclasses import dataclass

from srft_assets.tokens.endings import end_tokens
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.template import (
    TEMPLATE_ERRORS,
    Spans,
    apply,
    generation_prompt,
    prompts_after,
)
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message, Trajectory

THINKING = re.compile(r"<think>\s*(</think>\s*)?\Z")
"""End of a generation prompt that opens the thinking itself (DeepSeek-R1, QwQ, Qwen3-Thinking) or
says that there is none (Qwen3.5)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model wrote for one step: `text[start:end]`, its end-of-turn token included.

    `asked` is where the generation prompt starts and `start` where it ends; `terminator` is the
    end-of-turn token's text.
    """

    step_index: int
    asked: int
    start: int
    end: int
    terminator: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A run in the form that its template takes, and its rendering.

    `literals` are the ranges of `text` where the run's own words look like a special token.
    """

    run: Trajectory
    tokenizer: ChatTokenizer
    source: str
    messages: list[Message]
    text: str
    literals: tuple[tuple[int, int], ...]


def find_turns(chat: Chat, owned: dict[int, Spans]) -> tuple[Turn, ...]:
    """One turn for each step, in order. `owned`: message index → ranges of its text.

    Raises RunRefusedError where a turn is left out, repeated or merged with the next one, or is
    not closed by an end-of-turn token of the model.
    """
    inside = {start for start, _ in chat.literals}
    return tuple(
        _turn(chat, step.step_index, step.message_index, owned, inside) for step in chat.run.steps
    )


def by_prefixes(chat: Chat) -> dict[int, Spans]:
    """Ranges of the steps' texts: what each adds to the rendering of the messages before it.

    The slow way, for templates that cannot be traced: two renderings a step. Raises
    RunRefusedError where the template is not prefix-stable on this run.
    """
    owned: dict[int, Spans] = {}
    for step in chat.run.steps:
        before, after = (_ends(chat, step.message_index + more) for more in (0, 1))
        owned[step.message_index] = [(before, after)] if after > before else []
    return owned


def is_prefix_stable(chat: Chat) -> bool:
    """Whether the template writes the start of this run, before and after each step, as it
    writes it when more follows."""
    try:
        by_prefixes(chat)
    except RunRefusedError:
        return False
    return True


def _ends(chat: Chat, count: int) -> int:
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


def _turn(chat: Chat, step: int, message: int, owned: dict[int, Spans], inside: set[int]) -> Turn:
    where = f"step {step} (message {message})"
    spans = owned.get(message, [])
    if len(spans) != 1:
        how = "leaves out" if not spans else f"writes in {len(spans)} places"
        raise RunRefusedError(f"the chat template {how} {where}")
    limit = spans[0][1]
    start = _start(chat, message, spans[0], where)
    ends = [
        found
        for found in chat.tokenizer.special_pattern.finditer(chat.text, start, limit)
        if found.start() not in inside
    ]
    if not ends or chat.text[ends[-1].end() : limit].strip():
        raise RunRefusedError(f"no end-of-turn token closes {where} as rendered")
    terminator = ends[-1][0]
    if terminator not in end_tokens(chat.tokenizer, chat.source):
        raise RunRefusedError(
            f"{where} ends with {terminator}, which does not end a turn of this model"
        )
    return Turn(step, spans[0][0], start, ends[-1].end(), terminator)


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
