"""Tables, plots and findings of the report, from scores by `srft_assets.compare`.

Scores: a row an attempt, in the schema `report.SCORES`. What was found is told in sentences made
from the numbers by fixed rules: a difference where its p-value, corrected after Holm over
everything that is told, is below ALPHA, and otherwise the smallest that the design can show. Which
pairs are told is fixed here, whatever comes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.compare import ALPHA
from srft_assets.compare.difference import Difference, holm, mcnemar, paired_difference
from srft_assets.compare.rates import Rate, cells_of, rate_of, wilson_interval
from srft_assets.experiment.design import BASE

QUESTIONS = (
    ("rft", "sft"),
    ("srft", "rft"),
    ("oracle", "rft"),
    ("srft", "sft"),
    ("srft", "random_mask"),
    ("srft", "inverted_mask"),
    ("unresolved_masked", "unresolved_only"),
)
"""Arm and the one that it is compared with."""
WITH_TOKENS = (("srft", "rft"), ("oracle", "rft"))
LEAD = "lead to {} resolved tasks than"


@dataclass(frozen=True, slots=True)
class Question:
    """Two levels of one series, and how the report calls them."""

    series: str
    arm: str
    against: str
    names: tuple[str, str]
    before: str = ""
    verb: str = "resolves {} than"


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right of the first column."""
    head = f"| {' | '.join(columns)} |"
    line = f"| --- |{' ---: |' * (len(columns) - 1)}"
    return "\n".join([head, line, *(f"| {' | '.join(row)} |" for row in rows)])


def percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


def points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def span(low: float, high: float) -> str:
    """An interval in percent."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def chance(p_value: float | None) -> str:
    """A p-value; a bootstrap cannot tell small ones apart."""
    if p_value is None:
        return "–"
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def of_series(scores: pl.DataFrame, series: str) -> pl.DataFrame:
    return scores.filter(pl.col("series") == series)


def levels_of(scores: pl.DataFrame) -> list[tuple[str, float]]:
    """Names of a series' levels and their x, ascending."""
    return scores.select("arm", "x").unique().sort("x").rows()


def rate_in(scores: pl.DataFrame, arm: str) -> Rate:
    return rate_of(cells_of(scores, arm))


def by_seed(scores: pl.DataFrame, arm: str) -> list[float]:
    """The resolved share with each seed."""
    own = scores.filter(pl.col("arm") == arm)
    return own.group_by("seed").agg(pl.col("resolved").mean()).sort("seed")["resolved"].to_list()


def rates(scores: pl.DataFrame, arms: Sequence[str]) -> str:
    """Arms with both intervals. `scores`: one series."""
    rows = []
    for arm in arms:
        rate = rate_in(scores, arm)
        wilson = wilson_interval(rate.resolved, rate.scored) or (0.0, 1.0)
        steps = scores.filter(pl.col("arm") == arm)["n_steps"].to_numpy().mean()
        rows.append(
            (
                arm,
                f"{rate.resolved} of {rate.scored}",
                percent(rate.rate),
                span(rate.low, rate.high),
                span(*wilson),
                ", ".join(map(percent, by_seed(scores, arm))),
                f"{steps:.1f}",
            )
        )
    titles = ("arm", "resolved", "%", "95% bootstrap", "95% Wilson", "each seed", "steps")
    return markdown(titles, rows)


def differences(scores: pl.DataFrame, pairs: Sequence[tuple[str, str]]) -> str:
    """Paired differences of one family: Holm's correction is over its rows, and `can show` is for
    its first step."""
    alpha = ALPHA / max(1, len(pairs))
    found = [paired_difference(scores, arm, other, alpha=alpha) for arm, other in pairs]
    exact = [mcnemar(one.only_arm, one.only_against) for one in found]
    corrected = holm([one.p_value for one in found])
    rows = [
        (
            f"{one.arm} − {one.against}",
            points(one.difference),
            span(one.low, one.high),
            chance(one.p_value),
            chance(p_holm),
            f"{one.only_arm} : {one.only_against}",
            chance(p_exact),
            chance(p_exact_holm),
            "–" if one.detectable is None else percent(one.detectable),
        )
        for one, p_holm, p_exact, p_exact_holm in zip(
            found, corrected, exact, holm(exact), strict=True
        )
    ]
    p_values = ("p", "p Holm", "one alone", "p McNemar", "Holm", "can show")
    return markdown(("pair", "points", "95% bootstrap", *p_values), rows)


def levels(scores: pl.DataFrame, names: Mapping[str, str], reference: str) -> str:
    """Levels of a series with their difference to the reference level."""
    rows = []
    for level, title in names.items():
        rate = rate_in(scores, level)
        told = ("", "")
        if level != reference:
            gap = paired_difference(scores, level, reference)
            told = points(gap.difference), span(gap.low, gap.high)
        rows.append((title, percent(rate.rate), span(rate.low, rate.high), *told))
    titles = ("level", "%", "95% bootstrap", f"points to {names[reference]}", "95% bootstrap")
    return markdown(titles, rows)


def questions(scores: pl.DataFrame) -> list[Question]:
    """Everything that is told, in order."""
    asked = [Question("steps", arm, other, (arm, other)) for arm, other in QUESTIONS]
    if of_series(scores, "tokens").height:
        before = "With about as many trained tokens: "
        asked += [Question("tokens", a, b, (a, b), before) for a, b in WITH_TOKENS]
    for series, name in (
        ("f1", "labels with an F1 of {:.2f}"),
        ("share", "training runs of which {:.0%} failed"),
    ):
        (low, low_x), *_, (high, high_x) = levels_of(of_series(scores, series))
        ends = name.format(high_x), name.format(low_x)
        asked.append(Question(series, high, low, ends, verb=LEAD))
    return asked


def told(asked: Question, one: Difference, p_holm: float | None) -> str:
    arm, against = asked.names
    numbers = f"{points(one.difference)} points, {span(one.low, one.high)}"
    if p_holm is not None and p_holm < ALPHA:
        verb = asked.verb.format("more" if one.difference > 0 else "fewer")
        return f"{asked.before}{arm} {verb} {against} ({numbers})."
    limit = one.detectable
    least = "none" if limit is None else f"{percent(limit)} points or more"
    return (
        f"{asked.before}Between {arm} and {against} no difference is shown ({numbers}; this design "
        f"shows {least} four times in five)."
    )


def findings(scores: pl.DataFrame) -> str:
    asked = questions(scores)
    found = [
        paired_difference(
            of_series(scores, one.series), one.arm, one.against, alpha=ALPHA / len(asked)
        )
        for one in asked
    ]
    base = rate_in(of_series(scores, "steps"), BASE).rate
    lines = [f"The base model resolves {percent(base)}% of the held-out tasks."]
    corrected = holm([one.p_value for one in found])
    lines += [told(*three) for three in zip(asked, found, corrected, strict=True)]
    return "\n".join(f"- {line}" for line in lines)


BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
"""Okabe and Ito, "Color Universal Design" (2008)."""
DPI = 100
Y_LABEL = "held-out tasks resolved (%)"

Curve = Mapping[float, Rate]
"""x → rate, ascending."""


def draw_arms(rates: Mapping[str, Rate], seeds: Mapping[str, Sequence[float]], path: Path) -> None:
    """One dot an arm with its interval, and a small one for each seed beside it."""
    figure, axes = _figure()
    for place, (arm, rate) in enumerate(rates.items()):
        _with_interval(axes, place, rate, BLUE if place else GREY, "o")
        spread = [place + 0.22 for _ in seeds[arm]]
        heights = [100 * one for one in seeds[arm]]
        axes.plot(spread, heights, ".", color=GREY, markersize=5, clip_on=False)
    names = [arm.replace("_", "\n") for arm in rates]
    axes.set_xticks(range(len(names)), names, fontsize=9)
    axes.set_xlabel("arm")
    _legend(axes, [("o", BLUE, "mean of seeds, 95% bootstrap"), (".", GREY, "one seed")])
    _save(figure, axes, path)


def draw_f1(curve: Curve, rft: Rate, critic: tuple[float, Rate], sft: Rate, path: Path) -> None:
    """Score against F1 of the labels; lines for rft and sft; the rules critic's point."""
    figure, axes = _figure()
    _band(axes, rft, ORANGE, "rft: failed runs thrown away")
    _band(axes, sft, GREY, "sft: nothing masked")
    _curve(axes, curve, "teacher's labels, some moved to other steps")
    _with_interval(axes, critic[0], critic[1], GREEN, "D", "rules critic (srft)")
    axes.set_xlabel("F1 of the label mistake against the teacher's own, on failed runs")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    _save(figure, axes, path)


def draw_share(curve: Curve, path: Path) -> None:
    """Score against the share of failed runs among those that are trained on."""
    figure, axes = _figure()
    percents = {100 * x: rate for x, rate in curve.items()}
    _curve(axes, percents, "failed runs masked by the teacher's own labels")
    axes.set_xlabel("failed runs among the training runs (%)")
    axes.set_xticks(list(percents), [f"{x:.0f}" for x in percents])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
    _save(figure, axes, path)


def _figure() -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _with_interval(
    axes: Any, x: float, rate: Rate, colour: str, marker: str, label: str | None = None
) -> None:
    axes.errorbar(
        [x],
        [100 * rate.rate],
        [[100 * (rate.rate - rate.low)], [100 * (rate.high - rate.rate)]],
        fmt=marker,
        color=colour,
        capsize=4,
        markersize=7,
        clip_on=False,
        zorder=3,
        label=label,
    )


def _curve(axes: Any, curve: Curve, label: str) -> None:
    heights = [100 * rate.rate for rate in curve.values()]
    axes.plot(list(curve), heights, color=BLUE, linewidth=1.2)
    for place, (x, rate) in enumerate(curve.items()):
        _with_interval(axes, x, rate, BLUE, "o", None if place else label)


def _band(axes: Any, rate: Rate, colour: str, label: str) -> None:
    axes.axhline(100 * rate.rate, color=colour, linewidth=1.4, linestyle="--", label=label)
    axes.axhspan(100 * rate.low, 100 * rate.high, color=colour, alpha=0.12, linewidth=0)


def _legend(axes: Any, entries: Sequence[tuple[str, str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=marker, color=colour, linestyle="", label=label)
        for marker, colour, label in entries
    ]
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2, "frameon": False}
    axes.legend(handles=handles, **place)


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.set_ylabel(Y_LABEL)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25, axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=DPI)
