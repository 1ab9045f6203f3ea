"""Plots of the report: rates with intervals, in colours that everybody can tell apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srft_assets.compare import Rate

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
