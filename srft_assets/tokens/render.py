"""A run as its model's chat template writes it, and where its assistant turns stand in it."""

from dataclasses import dataclass

from srft_assets.tokens.check import check_generation, check_nothing_left_out
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.literal import free_marks, shift, unwrap, wrap
from srft_assets.tokens.template import generation_prompt, rendered, variables
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.tokens.trace import Spans, render_traced
from srft_assets.trajectories.model import Trajectory


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
class Rendering:
    """A rendered chat.

    Attributes:
        text: exactly what `apply_chat_template(…, tokenize=False)` gives.
        turns: one for each step, in order; they do not overlap.
        literals: ranges where the run's own words look like a special token.
    """

    text: str
    turns: tuple[Turn, ...]
    literals: tuple[tuple[int, int], ...]


def render(run: Trajectory, tokenizer: ChatTokenizer) -> Rendering:
    """Render a run once and find its turns.

    Raises RunRefusedError where the template fails on the run, leaves out or repeats a turn,
    merges turns, ends them with no special token, or disagrees with its own generation marks.
    """
    source = tokenizer.template(run.tools)
    messages, text, generated = rendered(run, tokenizer, source)
    literal, enter, leave = free_marks(text, 3)
    wrapped, count = wrap([messages, run.tools], tokenizer.special_pattern, literal)
    marked, spans = render_traced(
        source, wrapped[0], (enter, leave), tools=wrapped[1], **variables(tokenizer)
    )
    unmarked, places = unwrap(marked, literal)
    if unmarked != text:
        raise RunRefusedError(
            "the chat template does not treat text that looks like a special token as text"
            if count
            else "the chat template cannot be traced: it renders otherwise when marked"
        )
    owned = {
        index: [(shift(start, places), shift(end, places)) for start, end in ranges]
        for index, ranges in spans.items()
    }
    literals = _literals(text, places, tokenizer)
    turns = _find_turns(run, tokenizer, source, text, owned, literals)
    check_nothing_left_out(messages, run.tools, text, owned, source)
    check_generation(text, [(turn.start, turn.end) for turn in turns], generated)
    return Rendering(text, turns, literals)


def _literals(
    text: str, places: list[int], tokenizer: ChatTokenizer
) -> tuple[tuple[int, int], ...]:
    ends = [shift(place, places) for place in places]
    ranges = tuple(zip(ends[::2], ends[1::2], strict=False))
    matches = [tokenizer.special_pattern.fullmatch(text, start, end) for start, end in ranges]
    if len(ends) % 2 or not all(matches):
        raise RunRefusedError("the chat template cuts text that looks like a special token")
    return ranges


def _find_turns(
    run: Trajectory,
    tokenizer: ChatTokenizer,
    source: str,
    text: str,
    owned: dict[int, Spans],
    literals: tuple[tuple[int, int], ...],
) -> tuple[Turn, ...]:
    prompt = generation_prompt(tokenizer, source)
    inside = {start for start, _ in literals}
    turns: list[Turn] = []
    for step in run.steps:
        where = f"step {step.step_index} (message {step.message_index})"
        spans = owned.get(step.message_index, [])
        if len(spans) != 1:
            how = "leaves out" if not spans else f"writes in {len(spans)} places"
            raise RunRefusedError(f"the chat template {how} {where}")
        start, limit = spans[0]
        if not text.startswith(prompt, start, limit):
            raise RunRefusedError(
                f"the generation prompt {prompt!r} does not open {where} as rendered"
            )
        start += len(prompt)
        ends = [
            found
            for found in tokenizer.special_pattern.finditer(text, start, limit)
            if found.start() not in inside
        ]
        if not ends or text[ends[-1].end() : limit].strip():
            raise RunRefusedError(f"no end-of-turn token closes {where} as rendered")
        turns.append(Turn(step.step_index, start, ends[-1].end(), ends[-1][0]))
    return tuple(turns)
