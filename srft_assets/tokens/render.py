"""A run as its model's chat template writes it, and where its assistant turns stand in it."""

from dataclasses import dataclass
from typing import Literal

from srft_assets.tokens.check import check_generation, check_nothing_left_out
from srft_assets.tokens.errors import RunRefusedError, TemplateFailedError
from srft_assets.tokens.literal import free_marks, shift, unwrap, wrap
from srft_assets.tokens.messages import Form, for_template, forms
from srft_assets.tokens.template import (
    TEMPLATE_ERRORS,
    Spans,
    apply,
    generation_blocks,
    variables,
)
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.tokens.trace import render_traced
from srft_assets.tokens.turns import Chat, Turn, by_prefixes, find_turns
from srft_assets.trajectories.model import Message, Trajectory

Path = Literal["traced", "prefixes"]
"""How turns were found: by one traced rendering, or by rendering every prefix."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered chat.

    Attributes:
        text: exactly what `apply_chat_template(…, tokenize=False)` gives on `RENDER_DATE`.
        turns: one for each step, in order; they do not overlap.
        literals: ranges where the run's own words look like a special token.
        path: how the turns were found.
    """

    text: str
    turns: tuple[Turn, ...]
    literals: tuple[tuple[int, int], ...]
    path: Path = "traced"


def render(run: Trajectory, tokenizer: ChatTokenizer) -> Rendering:
    """Render a run and find its turns.

    Raises RunRefusedError where the template fails on the run, leaves out or repeats a turn,
    merges turns, ends them with no end-of-turn token, or disagrees with its own generation marks.
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
        blocks = generation_blocks(tokenizer, source, messages, run.tools)
        _check_unicode(text)
        literals, owned = _trace(run, tokenizer, source, messages, text)
    except TEMPLATE_ERRORS as error:
        raise TemplateFailedError(f"the chat template fails on this run: {error}") from error
    chat = Chat(run, tokenizer, source, messages, text, literals)
    path: Path = "traced" if owned else "prefixes"
    owned = owned or by_prefixes(chat)
    turns = find_turns(chat, owned)
    check_nothing_left_out(messages, run.tools, text, owned, source)
    check_generation(text, turns, blocks)
    return Rendering(text, turns, literals, path)


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RunRefusedError(
            "the run holds a lone surrogate, which no tokenizer can encode"
        ) from error


def _trace(
    run: Trajectory, tokenizer: ChatTokenizer, source: str, messages: list[Message], text: str
) -> tuple[tuple[tuple[int, int], ...], dict[int, Spans]]:
    """Ranges of the run's words that look special, and of each message's text.

    The second is empty where the template cannot be traced: it reads its own output, or does not
    go through the messages by a loop over them.
    """
    literal, enter, leave = free_marks(text, 3)
    wrapped, count = wrap([messages, run.tools], tokenizer.special_pattern, literal)
    marked, spans = render_traced(
        source, wrapped[0], (enter, leave), tools=wrapped[1], **variables(tokenizer)
    )
    unmarked, places = unwrap(marked, literal)
    if unmarked != text:
        spans = {}
        marked = apply(tokenizer, source, *wrapped) if count else text
        unmarked, places = unwrap(marked, literal)
    if unmarked != text:
        raise RunRefusedError(
            "the chat template does not treat text that looks like a special token as text"
        )
    owned = {
        index: [(shift(start, places), shift(end, places)) for start, end in ranges]
        for index, ranges in spans.items()
    }
    return _literals(text, places, tokenizer), owned


def _literals(
    text: str, places: list[int], tokenizer: ChatTokenizer
) -> tuple[tuple[int, int], ...]:
    ends = [shift(place, places) for place in places]
    ranges = tuple(zip(ends[::2], ends[1::2], strict=False))
    matches = [tokenizer.special_pattern.fullmatch(text, start, end) for start, end in ranges]
    if len(ends) % 2 or not all(matches):
        raise RunRefusedError("the chat template cuts text that looks like a special token")
    return ranges
