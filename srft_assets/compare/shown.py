"""A comparison as cells of text: the same on a terminal and on a page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from srft_assets.compare.detectable import ALPHA

MINUS = "−"


@dataclass(frozen=True)
class Cells:
    """A table: column heads, rows of text, and which rows say that a difference is real.

    Columns that would be empty are left out.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: tuple[bool, ...] = ()


def arm_table(arms: pl.DataFrame) -> Cells:
    """Rates in percent with their 95% intervals. `arms`: in the schema `ARMS`."""
    known = {name: arms[name].drop_nulls().len() > 0 for name in ("mean_steps", "mean_cost_usd")}
    several = bool((arms["k"] > 1).any())
    marked = bool(((arms["contaminated"] + arms["approximate"]) > 0).any())
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
        cells += [", ".join(_marks(row))] * marked
        rows.append(tuple(cells))
    return Cells(tuple(heads), tuple(rows), (False,) * len(rows))


def pair_table(pairs: pl.DataFrame) -> Cells:
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
    return Cells(heads, tuple(rows), tuple(strong))


def legend_of(pairs: pl.DataFrame) -> str:
    """What the columns of `pair_table` mean."""
    tests = {"mcnemar": "exact McNemar", "bootstrap": "bootstrap over tasks and seeds"}
    used = " or ".join(told for test, told in tests.items() if test in set(pairs["test"]))
    count = "1 test" if pairs.height == 1 else f"{pairs.height} tests"
    return (
        f"Paired by task and seed, in percentage points. p: {used}; Holm p: corrected for {count}. "
        "least shown: the smallest difference found four times in five."
    )


def _marks(row: dict[str, Any]) -> Iterator[str]:
    for name in ("contaminated", "approximate"):
        if row[name]:
            yield f"{row[name]:,} {name}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(difference: float) -> str:
    shown = f"{100 * difference:+.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", MINUS)


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _number(value: float | None, places: int) -> str:
    return "·" if value is None else f"{value:.{places}f}"
