"""The asset `comparison`, all arms that are made unasked beside one another; and any comparison as
people read it: tables, words and a picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.compare import ALPHA, ARM_RATES, DRAWS, PAIRS, SEED
from srft_assets.errors import SrftError
from srft_assets.warehouse.stage import Listing, Made, Stage, Upstream, Work

KEY = "comparison"
RATES = "arm_rates"
SCORES = "eval_scores/"
MINUS = "−"
MARKS = ("contaminated", "approximate", "tainted")

VERSION = 2
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
The arms that are made without being named, compared on the held-out tasks they share: paired
differences with 95% intervals, McNemar's test or a bootstrap over tasks and seeds, Holm's
correction, and the smallest difference that so many tasks and seeds can show. An arm without
scores is left out until it has some. `srft compare` compares any arms, controls too.
"""


def comparison_stage(scores: Sequence[str]) -> Stage:
    """The stage behind the given `eval_scores/<arm>`; unpartitioned."""
    return Stage(
        key=KEY,
        partitioned_by="none",
        upstream=tuple(Upstream(asset, "all", optional=True) for asset in sorted(scores)),
        schema=PAIRS,
        code={"version": VERSION},
        config={"draws": DRAWS, "seed": SEED},
        make=_make,
        beside=(RATES,),
        description=DESCRIPTION.strip(),
        kinds=frozenset({"numpy", "matplotlib"}),
    )


def _make(work: Work) -> Made:
    assets = sorted({key.rpartition("/")[0] for key in work.recipe.inputs})
    frames = [
        work.read(asset, seed).with_columns(
            arm=pl.lit(asset.removeprefix(SCORES)), seed=pl.lit(int(seed))
        )
        for asset in assets
        for seed in work.input_names(asset)
    ]
    scores = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
    if scores.is_empty() or scores["resolved"].null_count() == scores.height:
        raise SrftError("no arm has scores to compare: make eval_scores of some arms first")
    from srft_assets.compare.arms import compare_arms, with_settings  # a plan needs no numpy

    found = compare_arms(with_settings(scores, work.warehouse))
    path = work.home.artifacts / KEY / "comparison.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_comparison(found.arms, found.pairs, path)
    work.keep(RATES, found.arms.select(list(ARM_RATES)))
    tables = {"arms": arm_table(found.arms)}
    if found.pairs.height:
        tables["differences"] = pair_table(found.pairs)
    page = {
        "plot": path,
        "says": verdict_of(found.pairs),
        **({"mind": " ".join(found.notes)} if found.notes else {}),
        **{name: Listing(table.heads, table.rows) for name, table in tables.items()},
        **({"how": legend_of(found.pairs)} if found.pairs.height else {}),
    }
    return Made(found.pairs, metadata=page)


@dataclass(frozen=True)
class TextTable:
    """A table: column heads, rows of text, and which rows say that a difference is real.

    Columns that would be empty are left out.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: tuple[bool, ...] = ()


def arm_table(arms: pl.DataFrame) -> TextTable:
    """Rates in percent with their 95% intervals. `arms`: in the schema `ARMS`."""
    known = {name: arms[name].drop_nulls().len() > 0 for name in ("mean_steps", "mean_cost_usd")}
    several = bool((arms["k"] > 1).any())
    marked = bool((arms.select(MARKS).sum_horizontal() > 0).any())
    heads = ["arm", "seeds", "resolved", "rate %", "95%"]
    heads += ["pass@k"] * several + ["steps"] * known["mean_steps"]
    heads += ["cost $"] * known["mean_cost_usd"] + ["marks"] * marked
    rows = []
    for row in arms.iter_rows(named=True):
        cells = [row["arm"], f"{row['seeds']}", f"{row['resolved']:,} of {row['scored']:,}"]
        cells += [_percent(row["rate"]), f"{_percent(row['low'])} – {_percent(row['high'])}"]
        cells += [f"{_percent(row['pass_at_k'])} @{row['k']}"] * several
        cells += [_number(row["mean_steps"], 1)] * known["mean_steps"]
        cells += [_number(row["mean_cost_usd"], 3)] * known["mean_cost_usd"]
        told = (f"{row[name]:,} {name}" for name in MARKS if row[name])
        cells += [", ".join(told)] * marked
        rows.append(tuple(cells))
    return TextTable(tuple(heads), tuple(rows), (False,) * len(rows))


def pair_table(pairs: pl.DataFrame) -> TextTable:
    """Differences in percentage points. `pairs`: in the schema `PAIRS`."""
    heads = ("difference", "points", "95%", "p", "Holm p", "least shown")
    rows, strong = [], []
    for row in pairs.iter_rows(named=True):
        least = row["detectable"]
        rows.append(
            (
                f"{row['arm']} {MINUS} {row['against']}",
                _points(row["difference"]),
                f"{_points(row['low'])} … {_points(row['high'])}",
                _p(row["p_value"]),
                _p(row["p_holm"]),
                "none" if least is None else f"{100 * least:.1f}",
            )
        )
        strong.append(row["p_holm"] < ALPHA)
    return TextTable(heads, tuple(rows), tuple(strong))


def legend_of(pairs: pl.DataFrame) -> str:
    tests = {"mcnemar": "exact McNemar", "bootstrap": "bootstrap over tasks and seeds"}
    used = " or ".join(told for test, told in tests.items() if test in set(pairs["test"]))
    count = "1 test" if pairs.height == 1 else f"{pairs.height} tests"
    return (
        f"Paired by task and seed, in percentage points. p: {used}; Holm p: corrected for {count}. "
        "least shown: the smallest difference found four times in five."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(difference: float) -> str:
    shown = f"{100 * difference:+.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", MINUS)


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _number(value: float | None, places: int) -> str:
    return "·" if value is None else f"{value:.{places}f}"


NAMED = 3
"""Pairs that are named; more are counted."""


def verdict_of(pairs: pl.DataFrame) -> str:
    """Which differences are shown after Holm's correction, and how large others would have to be.

    `pairs`: in the schema `PAIRS`, of one comparison.
    """
    if pairs.is_empty():
        return "One arm alone: nothing to compare it with."
    return f"{_shown(pairs)} {_open(pairs.filter(pl.col('p_holm') >= ALPHA))}".rstrip()


def _shown(pairs: pl.DataFrame) -> str:
    better: dict[str, list[str]] = {}
    for row in pairs.filter(pl.col("p_holm") < ALPHA).iter_rows(named=True):
        ranked = (row["arm"], row["against"])
        winner, loser = ranked if row["difference"] > 0 else ranked[::-1]
        better.setdefault(winner, []).append(loser)
    if not better:
        return "No difference is shown at the 5% level."
    told = "; ".join(f"{winner} beats {_listed(losers)}" for winner, losers in better.items())
    return f"Shown at the 5% level: {told}."


def _open(rest: pl.DataFrame) -> str:
    if rest.is_empty():
        return ""
    names = [f"{arm} and {against}" for arm, against in rest.select("arm", "against").iter_rows()]
    told = _listed(names, "or") if len(names) <= NAMED else f"the other {len(names)} pairs"
    tasks, seeds = (max(rest[name].to_list()) for name in ("tasks", "seeds"))
    given = f"{tasks} tasks and {seeds} {'seed' if seeds == 1 else 'seeds'}"
    limit = rest["detectable"].drop_nulls().to_list()
    if not limit:
        return f"Whether {told} differ stays open: {given} are too few to show any difference."
    points = f"{100 * max(limit):.0f} points"
    return (
        f"Whether {told} differ stays open: {given} show a difference of {points} four times "
        "in five, and a smaller one less often."
    )


def _listed(names: list[str], last: str = "and") -> str:
    return f" {last} ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


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
