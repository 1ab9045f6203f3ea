"""Arms with their intervals, and their differences, as a picture."""

from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.compare.detectable import ALPHA
from srft_assets.compare.shown import MINUS

SHOWN, OPEN = "#1f5fa8", "#8a8f98"
INCHES_A_ROW = 0.32


def draw_comparison(arms: pl.DataFrame, pairs: pl.DataFrame, path: Path) -> None:
    """Write `path` (PNG): resolution rates above, paired differences below, with 95% intervals.

    `arms` and `pairs` are in the schemas `ARMS` and `PAIRS`, at least one arm.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [arms.height + 2, pairs.height + 2] if pairs.height else [arms.height + 2]
    figure = Figure(figsize=(8, 0.6 + INCHES_A_ROW * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _rows(panels[0], arms["arm"].to_list(), arms, "rate", [SHOWN] * arms.height)
    panels[0].set_xlim(left=0)
    panels[0].set_xlabel("resolved, % of attempts (95% interval)")
    if pairs.height:
        names = [f"{arm} {MINUS} {other}" for arm, other in pairs.select("arm", "against").rows()]
        colours = [SHOWN if p < ALPHA else OPEN for p in pairs["p_holm"]]
        _rows(panels[1], names, pairs, "difference", colours)
        panels[1].axvline(0, color="#333333", linewidth=0.8)
        panels[1].set_xlabel("difference, percentage points (95% interval); grey: not shown")
    figure.savefig(path, dpi=110)


def _rows(axes: Any, names: list[str], rows: pl.DataFrame, middle: str, colours: list[str]) -> None:
    """One line a row, the first on top."""
    places = list(range(len(names), 0, -1))
    for place, colour, row in zip(places, colours, rows.iter_rows(named=True), strict=True):
        ends = [100 * row["low"], 100 * row["high"]]
        axes.plot(ends, [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([100 * row[middle]], [place], "o", color=colour, markersize=6)
    axes.set_yticks(places, names)
    axes.set_ylim(0.4, len(names) + 0.6)
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)
