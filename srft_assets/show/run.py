"""A whole run in the terminal: a header, the task, then step by step.

Every colour has a sign beside it, for terminals without colour."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from srft_assets.critic.verdict import Label, Verdict
from srft_assets.outcomes.status import FAILED, Status, TestOutcome
from srft_assets.text import visible_lines
from srft_assets.tokens.token_labels import MaskedRow, Span
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message, Step, Trajectory

LINE_CHARS = 400
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


THOUGHT_LINES, ACTION_LINES, TURN_LINES, OBSERVATION_LINES, PROMPT_LINES = 6, 12, 20, 8, 6
"""Lines shown of each part; longer parts lose their middle."""


def render_step(
    step: Step, verdict: Verdict | None, span: Span | None, turn_text: str | None
) -> Iterator[RenderableType]:
    """The lines of a step.

    `turn_text`, the decoded span, is shown in place of the parsed thought and action.
    """
    yield _heading(step, verdict, span)
    sign, style = _mask_of(span)
    if turn_text is not None:
        yield Gutter(plain(clip(turn_text, TURN_LINES), style), sign, style)
    else:
        yield from _parsed(step, sign, style)
    codes = step.return_codes
    for observation, code in zip_longest(step.observations, codes[: len(step.observations)]):
        text = plain(clip(observation, OBSERVATION_LINES), CONTEXT)
        if code:
            text = Text.assemble((f"exit {code}\n", "red"), text)
        yield Gutter(text, CONTEXT_SIGN, CONTEXT)
    yield Text()


def _parsed(step: Step, sign: str, style: str) -> Iterator[RenderableType]:
    if step.thought.strip():
        thought = plain(clip(step.thought.strip(), THOUGHT_LINES), style)
        yield Gutter(thought, sign, style)
    for action in step.actions:
        command = plain(clip(action.command, ACTION_LINES), style)
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


def render_run(
    run: Trajectory,
    verdicts: Iterable[Verdict] = (),
    outcome: TestOutcome | None = None,
    rows: Sequence[MaskedRow] = (),
    tokenizer: ChatTokenizer | None = None,
) -> RenderableType:
    """The run for a terminal of any width.

    With its masked rows, of which a split run has several, what is trained and what is masked is
    told apart by colour and by the sign `+` or `-` before each line; with their tokenizer too, the
    exact text of the tokens is shown in place of the parsed thought and action. No text of the run
    is read as markup, and control characters are made visible.
    """
    by_step = {verdict.step_index: verdict for verdict in verdicts}
    spans = {span.step_index: (span, row) for row in rows for span in row.spans}
    parts: list[RenderableType] = [_header(run, by_step, outcome, rows)]
    first = run.steps[0].message_index if run.steps else len(run.messages)
    for message in run.messages[:first]:
        parts += [_prompt(message), Text()]
    for step in run.steps:
        span, row = spans.get(step.step_index, (None, None))
        text = _decoded(span, row, tokenizer)
        parts += render_step(step, by_step.get(step.step_index), span, text)
    return Group(*parts)


def _header(
    run: Trajectory,
    verdicts: dict[int, Verdict],
    outcome: TestOutcome | None,
    rows: Sequence[MaskedRow],
) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=CONTEXT)
    grid.add_column(overflow="fold")
    grid.add_row("run", plain(run.trajectory_id, "bold"))
    grid.add_row("model", plain(f"{run.model or 'unknown'}, played by {run.scaffold}"))
    grid.add_row("outcome", _outcome(run, outcome))
    grid.add_row("steps", _steps(run, verdicts))
    if rows:
        grid.add_row("tokens", _tokens(rows))
    return Panel(grid, title=plain(run.instance_id, "bold"), title_align="left", box=box.ROUNDED)


def _outcome(run: Trajectory, outcome: TestOutcome | None) -> Text:
    if outcome is None:
        said = {True: "resolved", False: "unresolved", None: "not graded"}[run.resolved]
        return Text(f"{said}, as the source states" if run.resolved is not None else said)
    text = Text(outcome.status.value, style=status_style(outcome.status))
    for name, passed, total in (
        ("FAIL_TO_PASS", outcome.f2p_passed, outcome.f2p_total),
        ("PASS_TO_PASS", outcome.p2p_passed, outcome.p2p_total),
    ):
        if passed is not None and total is not None:
            text.append(f"  {name} {passed}/{total}", style="default")
    if outcome.reason:
        text.append_text(plain(f"  {clip(outcome.reason, 1)}", CONTEXT))
    return text


def _steps(run: Trajectory, verdicts: dict[int, Verdict]) -> Text:
    text = Text(f"{len(run.steps)}")
    counts = Counter(verdict.label for verdict in verdicts.values())
    for label, style in LABEL_STYLES.items():
        if counts[label]:
            text.append("  ").append(f"{counts[label]} {label.value}", style=style)
    if run.exit_status:
        text.append_text(plain(f"  ended: {clip(run.exit_status, 1)}", CONTEXT))
    return text


def _tokens(rows: Sequence[MaskedRow]) -> Text:
    tokens, trained, masked = (
        sum(figures)
        for figures in zip(*((r.n_tokens, r.n_trained, r.n_masked) for r in rows), strict=True)
    )
    return Text.assemble(
        f"{tokens:,}  ",
        (f"+ {trained:,} trained", TRAINED),
        "  ",
        (f"- {masked:,} masked", MASKED),
        "  ",
        (f"{tokens - trained - masked:,} context", CONTEXT),
        f"  in {len(rows)} rows" if len(rows) > 1 else "",
    )


def _prompt(message: Message) -> RenderableType:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    text = Text.assemble((f"{message.get('role')}: ", f"bold {CONTEXT}"))
    text.append_text(plain(clip(str(content or ""), PROMPT_LINES), CONTEXT))
    return Gutter(text, CONTEXT_SIGN, CONTEXT)


def _decoded(
    span: Span | None, row: MaskedRow | None, tokenizer: ChatTokenizer | None
) -> str | None:
    if span is None or row is None or tokenizer is None:
        return None
    ids = row.input_ids[span.start : span.end].tolist()
    return tokenizer.backend.decode(ids, skip_special_tokens=False)


def clip(text: str, lines: int) -> str:
    """At most `lines` lines of at most `LINE_CHARS` characters; what is cut from the middle of
    the text or of a line is counted in its place."""
    kept = text.strip("\n").split("\n")
    if len(kept) > lines:
        head, tail = (lines + 1) // 2, lines // 2
        cut = f"⋯ {len(kept) - head - tail:,} more lines ⋯"
        kept = [*kept[:head], cut, *(kept[-tail:] if tail else [])]
    return "\n".join(map(_clip_line, kept))


def _clip_line(line: str) -> str:
    over = len(line) - LINE_CHARS
    if over <= 0:
        return line
    half = LINE_CHARS // 2
    return f"{line[:half]} ⋯ {over:,} more characters ⋯ {line[-half:]}"


def plain(text: str, style: str = "") -> Text:
    """Visible text as rich shows it, with no markup read from it."""
    return Text(visible_lines(text), style=style, overflow="fold")
