"""Plots of the report: rates with intervals, in colours that everybody can tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srft_assets.compare.rates import Rate

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
"""Okabe and Ito, "Color Universal Design" (2008)."""
DPI = 100
Y_LABEL = "held-out tasks resolved (%)"


@dataclass(frozen=True, slots=True)
class Point:
    """A rate at x, or at a name on the x axis."""

    x: float | str
    rate: Rate


def draw_arms(points: Sequence[Point], seeds: Sequence[Sequence[float]], path: Path) -> None:
    """One dot an arm with its interval, and a small one for each seed beside it."""
    figure, axes = _figure()
    for place, (point, each) in enumerate(zip(points, seeds, strict=True)):
        _with_interval(axes, place, point.rate, BLUE if place else GREY, "o")
        spread = [place + 0.22 for _ in each]
        axes.plot(spread, [100 * one for one in each], ".", color=GREY, markersize=5, clip_on=False)
    names = [str(point.x).replace("_", "\n") for point in points]
    axes.set_xticks(range(len(points)), names, fontsize=9)
    axes.set_xlabel("arm")
    _legend(axes, [("o", BLUE, "mean of seeds, 95% bootstrap"), (".", GREY, "one seed")])
    _save(figure, axes, path)


def draw_f1(
    curve: Sequence[Point], rft: Rate, critic: tuple[float, Rate], sft: Rate, path: Path
) -> None:
    """Score against F1 of the labels; lines for rft and sft; the rules critic's point."""
    figure, axes = _figure()
    _band(axes, rft, ORANGE, "rft: failed runs thrown away")
    _band(axes, sft, GREY, "sft: nothing masked")
    _curve(axes, curve, BLUE, "teacher's labels, some moved to other steps")
    _with_interval(axes, critic[0], critic[1], GREEN, "D", "rules critic (srft)")
    axes.set_xlabel("F1 of the label mistake against the teacher's own, on failed runs")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    _save(figure, axes, path)


def draw_share(curve: Sequence[Point], path: Path) -> None:
    """Score against the share of failed runs among those that are trained on."""
    figure, axes = _figure()
    percents = [Point(100 * float(point.x), point.rate) for point in curve]
    _curve(axes, percents, BLUE, "failed runs masked by the teacher's own labels")
    axes.set_xlabel("failed runs among the training runs (%)")
    axes.set_xticks([point.x for point in percents], [f"{point.x:.0f}" for point in percents])
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


def _curve(axes: Any, curve: Sequence[Point], colour: str, label: str) -> None:
    ranked = sorted(curve, key=lambda point: float(point.x))
    xs = [float(point.x) for point in ranked]
    axes.plot(xs, [100 * point.rate.rate for point in ranked], color=colour, linewidth=1.2)
    for place, (x, point) in enumerate(zip(xs, ranked, strict=True)):
        _with_interval(axes, x, point.rate, colour, "o", None if place else label)


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
