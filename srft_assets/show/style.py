"""Colours and signs. Every colour has a sign beside it, for terminals without colour."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.model import FAILED, Status

TRAINED, MASKED, CONTEXT = "green", "red", "bright_black"
TRAINED_SIGN, MASKED_SIGN, CONTEXT_SIGN = "+", "-", " "

LABEL_STYLES = {
    Label.GOOD: "green",
    Label.UNNECESSARY: "yellow",
    Label.MISTAKE: "bold red",
    Label.RECOVER: "cyan",
    Label.UNLABELED: "bright_black",
}


def status_style(status: Status) -> str:
    """Green for resolved, red for the model's own failure, yellow for what says nothing."""
    if status == Status.RESOLVED:
        return "bold green"
    return "bold red" if status in FAILED else "bold yellow"


@dataclass(frozen=True, slots=True)
class Gutter:
    """A renderable with a sign before each of its lines, wrapped ones as well."""

    body: RenderableType
    sign: str
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        style = Style.parse(self.style)
        narrower = options.update(width=max(options.max_width - 4, 1))
        for line in console.render_lines(self.body, narrower, pad=False):
            yield Segment(f" {self.sign} ", style)
            yield from line
            yield Segment.line()
