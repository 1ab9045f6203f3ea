"""The named statistics of the warehouse as charts, each with the question that gave its numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from srft_assets.errors import UsageError
from srft_assets.view.charts import Bar, bars, lines, stacked
from srft_assets.view.index import WORDS, Index
from srft_assets.view.markup import word
from srft_assets.view.pages import Pages
from srft_assets.warehouse.sql import text_literal

ROWS = 40
"""Most rows of a chart: the first of the question's order."""
LABELS = list(WORDS.values())
KINDS = ["trained", "masked", "context"]


@dataclass(frozen=True, slots=True)
class Chart:
    """A question and how its rows are drawn.

    `question` may name `$critic`: the chart is then of one critic. `draw` gets the rows.
    """

    name: str
    group: str
    title: str
    question: str
    draw: Callable[[pl.DataFrame], Markup]


def _shares(name: str, part: str = "label", order: list[str] = LABELS) -> Any:
    """A row for each `name`, with the shares of its parts."""

    def draw(rows: pl.DataFrame) -> Markup:
        found: dict[str, dict[str, float]] = {}
        for row in rows.to_dicts():
            found.setdefault(_told(row[name]), {})[row[part]] = float(row["share"])
        return stacked(dict([*found.items()][:ROWS]), order)

    return draw


def _values(name: str, value: str, low: str = "", high: str = "", share: bool = True) -> Any:
    """A bar for each `name`, with its interval."""

    def draw(rows: pl.DataFrame) -> Markup:
        return bars(
            [
                Bar(
                    _told(row[name]),
                    float(row[value]),
                    row[low] if low else None,
                    row[high] if high else None,
                )
                for row in rows.to_dicts()[:ROWS]
                if row[value] is not None
            ],
            share,
        )

    return draw


def _curves(name: str, x: str, y: str, share: bool) -> Any:
    """A line for each `name`."""

    def draw(rows: pl.DataFrame) -> Markup:
        found: dict[str, list[tuple[float, float]]] = {}
        for row in rows.to_dicts():
            if row[y] is not None:
                found.setdefault(_told(row[name]), []).append((float(row[x]), float(row[y])))
        return lines(found, share)

    return draw


def _told(name: object) -> str:
    return "none" if name is None else str(name)


OUTCOMES = "SELECT {0}, runs, graded_runs, rate, rate_low, rate_high FROM outcomes_by_{0} {1}"
BY_LABEL = """SELECT {0}, label, steps, share
FROM {1}
WHERE critic = $critic
ORDER BY sum(steps) OVER (PARTITION BY {0}) DESC, {0}, label"""
RATES = ("rate", "rate_low", "rate_high")
CHARTS = (
    Chart("labels", "Verdicts", "Labels of each critic",
          "SELECT critic, label, steps, share FROM label_shares ORDER BY critic, label",
          _shares("critic")),
    Chart("position", "Verdicts", "Labels by position in the run, in tenths",
          "SELECT decile, label, steps, share FROM label_shares_by_position\n"
          "WHERE critic = $critic ORDER BY decile, label", _shares("decile")),
    Chart("tool", "Verdicts", "Labels by tool",
          BY_LABEL.format("tool", "label_shares_by_tool"), _shares("tool")),
    Chart("command", "Verdicts", "Labels by command",
          BY_LABEL.format("command_word", "label_shares_by_command"), _shares("command_word")),
    Chart("outcome", "Verdicts", "Labels by outcome of the run",
          BY_LABEL.format("status", "label_shares_by_outcome"), _shares("status")),
    Chart("first_mistake", "Verdicts", "Where the first mistake lies: median, and the middle half",
          "SELECT status, runs_with_mistake, position_median, position_q1, position_q3\n"
          "FROM first_mistake_position WHERE critic = $critic ORDER BY status",
          _values("status", "position_median", "position_q1", "position_q3")),
    Chart("recovery", "Verdicts", "Mistakes that are recovered within so many steps",
          "SELECT critic, within_steps, mistakes, recovered, share FROM mistake_recovery\n"
          "ORDER BY critic, within_steps", _curves("critic", "within_steps", "share", True)),
    Chart("f1", "Verdicts", "F1 of mistakes against gold sets, with 95 % intervals",
          "SELECT critic || ' on ' || gold_set AS critic, steps, support, f1, f1_low, f1_high\n"
          "FROM critic_scores WHERE question = 'label' AND target = 'mistake'\n"
          "ORDER BY critic", _values("critic", "f1", "f1_low", "f1_high")),
    Chart("costs", "Verdicts", "Tokens that critics were paid for",
          "SELECT critic, sum(calls)::BIGINT AS calls, sum(prompt_tokens)::BIGINT AS prompt,\n"
          "    sum(completion_tokens)::BIGINT AS completion, prompt + completion AS tokens\n"
          "FROM critic_costs GROUP BY critic ORDER BY critic",
          _values("critic", "tokens", share=False)),
    *(
        Chart(f"outcomes_{name}", "Runs", f"Resolution rate by {name}, with 95 % intervals",
              OUTCOMES.format(name, f"ORDER BY runs DESC, {name}"), _values(name, *RATES))
        for name in ("model", "scaffold", "repo", "batch")
    ),
    Chart("lengths", "Runs", "Steps of runs by outcome: median, shortest and longest",
          "SELECT status, runs, median_steps, shortest, longest FROM run_lengths ORDER BY status",
          _values("status", "median_steps", "shortest", "longest", share=False)),
    Chart("tokens", "Training", "What becomes of the tokens in each arm",
          "SELECT arm, unnest(['trained', 'masked', 'context']) AS kind,\n"
          "    unnest([trained, masked, context]) AS tokens,\n"
          "    unnest([trained, masked, context]) / tokens_kept.tokens AS share\n"
          "FROM tokens_kept ORDER BY arm", _shares("arm", "kind", KINDS)),
    Chart("losses", "Training", "Loss along the training, in nats a token",
          "SELECT arm || ', seed ' || seed AS arm, step, loss FROM loss_curves\n"
          "ORDER BY arm, step", _curves("arm", "step", "loss", False)),
    Chart("arms", "Training", "Held-out tasks resolved by each arm, with 95 % intervals",
          "SELECT arm, seeds, scored, rate, rate_low, rate_high FROM arm_scores ORDER BY arm",
          _values("arm", *RATES)),
    Chart("pass_at_k", "Training", "pass@k of each arm",
          "SELECT arm, k, tasks, pass_at_k FROM pass_at_k ORDER BY arm, k",
          _curves("arm", "k", "pass_at_k", True)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with its numbers; `question` is what was asked, as it can be asked again."""

    chart: Chart
    question: str
    svg: Markup
    rows: pl.DataFrame


def draw(index: Index, name: str, critic: str) -> Drawn:
    """A chart. Raises UsageError for one that there is not."""
    chart = next((one for one in CHARTS if one.name == name), None)
    if chart is None:
        raise UsageError(f"no chart {name!r}; there are: {', '.join(one.name for one in CHARTS)}")
    of_critic = "$critic" in chart.question
    rows = index.ask(chart.question, {"critic": critic} if of_critic else None)
    question = chart.question.replace("$critic", text_literal(critic))
    return Drawn(chart, question, chart.draw(rows) if rows.height else Markup(""), rows)


def statistics_page(pages: Pages, asked: Request) -> Response:
    """One chart, chosen by `chart`; of the critic `critic` where it is of one."""
    index, critics = pages.index, pages.index.critics()
    critic = asked.query_params.get("critic") or (critics[0] if critics else "")
    if critic and critic not in critics:
        raise UsageError(f"no critic {critic!r}; there are: {', '.join(critics) or 'none yet'}")
    drawn = draw(index, asked.query_params.get("chart") or CHARTS[0].name, critic)
    shown = drawn.rows.head(200)
    groups: dict[str, list[Chart]] = {}
    for chart in CHARTS:
        groups.setdefault(chart.group, []).append(chart)
    return pages.render(
        "statistics.html",
        drawn=drawn,
        groups=groups,
        critic=critic,
        critics=critics,
        columns=shown.columns,
        rows=[[_cell(value) for value in row] for row in shown.rows()],
        of_critic="$critic" in drawn.chart.question,
    )


def _cell(value: Any) -> Markup:
    return word("–" if value is None else f"{value:.3f}" if isinstance(value, float) else value)
