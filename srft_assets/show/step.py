"""One step of a run: its verdict, what the model wrote, and what answered it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from srft_assets.critic.verdict import Verdict
from srft_assets.show.style import (
    CONTEXT,
    CONTEXT_SIGN,
    LABEL_STYLES,
    MASKED,
    MASKED_SIGN,
    TRAINED,
    TRAINED_SIGN,
    Gutter,
)
from srft_assets.show.text import clip, plain
from srft_assets.tokens.row import Span
from srft_assets.trajectories.model import Step


@dataclass(frozen=True, slots=True)
class Cuts:
    """Lines shown of each part; longer parts lose their middle."""

    thought: int = 6
    action: int = 12
    turn: int = 20
    observation: int = 8


def render_step(
    step: Step,
    verdict: Verdict | None,
    span: Span | None,
    turn_text: str | None,
    cuts: Cuts,
) -> Iterator[RenderableType]:
    """The lines of a step.

    `turn_text`, the decoded span, is shown in place of the parsed thought and action.
    """
    yield _heading(step, verdict, span)
    sign, style = _mask_of(span)
    if turn_text is not None:
        yield Gutter(plain(clip(turn_text, cuts.turn), style), sign, style)
    else:
        yield from _parsed(step, sign, style, cuts)
    codes = step.return_codes
    for observation, code in zip_longest(step.observations, codes[: len(step.observations)]):
        text = plain(clip(observation, cuts.observation), CONTEXT)
        if code:
            text = Text.assemble((f"exit {code}\n", "red"), text)
        yield Gutter(text, CONTEXT_SIGN, CONTEXT)
    yield Text()


def _parsed(step: Step, sign: str, style: str, cuts: Cuts) -> Iterator[RenderableType]:
    if step.thought.strip():
        thought = plain(clip(step.thought.strip(), cuts.thought), style)
        yield Gutter(thought, sign, style)
    for action in step.actions:
        command = plain(clip(action.command, cuts.action), style)
        head = plain(f"{action.tool} ", f"bold {style}")
        yield Gutter(Text.assemble("❯ ", head, command, style=style), sign, style)
    if not step.thought.strip() and not step.actions:
        yield Gutter(Text("(an empty turn)", style=style), sign, style)


def _heading(step: Step, verdict: Verdict | None, span: Span | None) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(width=4, justify="right")
    grid.add_column(width=11)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    number = Text(f"{step.step_index}", style="bold")
    label, reason = Text("–", style=CONTEXT), Text()
    if verdict is not None:
        label = Text(verdict.label.value, style=LABEL_STYLES[verdict.label])
        reason = plain(clip(verdict.reason, 4), "italic")
        if verdict.rule:
            reason.append_text(plain(f"  [{verdict.rule}]", CONTEXT))
    grid.add_row(number, label, reason, _count(span))
    return grid


def _count(span: Span | None) -> Text:
    if span is None:
        return Text()
    word = "trained" if span.trained else "masked"
    return Text(f"{span.end - span.start:,} {word}", style=TRAINED if span.trained else MASKED)


def _mask_of(span: Span | None) -> tuple[str, str]:
    if span is None:
        return "│", "default"
    return (TRAINED_SIGN, TRAINED) if span.trained else (MASKED_SIGN, MASKED)
