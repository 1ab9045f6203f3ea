"""Where the turns of a run's steps stand in its rendering."""

import re
from collections.abc import Sequence
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

THINKING = re.compile(r"<think>\s*\Z")
"""A generation prompt that opens the thinking itself: DeepSeek-R1, QwQ, Qwen3-Thinking."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model wrote for one step: `text[start:end]`, its end-of-turn token included.

    `start` is where the generation prompt ends; `terminator` is the end-of-turn token's text.
    """

    step_index: int
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
    """Ranges of each message's text: what it adds to the rendering of the messages before it.

    The slow way, for templates that cannot be traced: as many renderings as messages. Raises
    RunRefusedError where the template is not prefix-stable on this run.
    """
    owned: dict[int, Spans] = {}
    before = 0
    for index in range(len(chat.messages)):
        try:
            start = apply(chat.tokenizer, chat.source, chat.messages[: index + 1], chat.run.tools)
        except TEMPLATE_ERRORS as error:
            raise RunRefusedError(
                f"the chat template fails on the first {index + 1} messages: {error}"
            ) from error
        if len(start) < before or not chat.text.startswith(start):
            raise RunRefusedError(
                "the chat template writes message "
                f"{index} otherwise when more follows, and cannot be traced"
            )
        owned[index] = [(before, len(start))] if len(start) > before else []
        before = len(start)
    return owned


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
    return Turn(step, start, ends[-1].end(), terminator)


def _start(chat: Chat, message: int, span: tuple[int, int], where: str) -> int:
    """Where the generation prompt of a turn ends."""
    prompt = generation_prompt(chat.tokenizer, chat.source)
    if chat.text.startswith(prompt, *span):
        return span[0] + len(prompt)
    header = THINKING.sub("", prompt)
    if header and header != prompt and chat.text.startswith(header, *span):
        return span[0] + len(header)
    return _start_in_context(chat, message, span, prompt, where)


def _start_in_context(
    chat: Chat, message: int, span: tuple[int, int], prompt: str, where: str
) -> int:
    """As `_start`, where the prompt after a plain question is not that of this place."""
    before: Sequence[Message] = chat.messages[:message]
    asked, alone = prompts_after(before, chat.run.tools, chat.tokenizer, chat.source)
    if chat.text.startswith(asked) and span[0] <= len(asked) <= span[1]:
        return len(asked)
    if alone and chat.text.startswith(alone, *span):
        return span[0] + len(alone)
    raise RunRefusedError(f"the generation prompt {prompt!r} does not open {where} as rendered")
