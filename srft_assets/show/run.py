"""A whole run: a header, the task, then step by step."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from srft_assets.critic.verdict import Verdict
from srft_assets.outcomes.model import TestOutcome
from srft_assets.show.step import Cuts, render_step
from srft_assets.show.style import (
    CONTEXT,
    CONTEXT_SIGN,
    LABEL_STYLES,
    MASKED,
    TRAINED,
    Gutter,
    status_style,
)
from srft_assets.show.text import clip, plain
from srft_assets.tokens.row import MaskedRow, Span
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message, Trajectory

PROMPT_LINES = 6


def render_run(
    run: Trajectory,
    verdicts: Iterable[Verdict] = (),
    outcome: TestOutcome | None = None,
    rows: Sequence[MaskedRow] = (),
    tokenizer: ChatTokenizer | None = None,
    cuts: Cuts | None = None,
) -> RenderableType:
    """The run for a terminal of any width.

    With its masked rows, of which a split run has several, what is trained and what is masked is
    told apart by colour and by the sign `+` or `-` before each line; with their tokenizer too, the
    exact text of the tokens is shown in place of the parsed thought and action. No text of the run
    is read as markup, and control characters are made visible.
    """
    cuts = cuts or Cuts()
    by_step = {verdict.step_index: verdict for verdict in verdicts}
    spans = {span.step_index: (span, row) for row in rows for span in row.spans}
    parts: list[RenderableType] = [_header(run, by_step, outcome, rows)]
    first = run.steps[0].message_index if run.steps else len(run.messages)
    for message in run.messages[:first]:
        parts += [_prompt(message), Text()]
    for step in run.steps:
        span, row = spans.get(step.step_index, (None, None))
        text = _decoded(span, row, tokenizer)
        parts += render_step(step, by_step.get(step.step_index), span, text, cuts)
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
