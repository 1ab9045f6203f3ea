"""The table of what a plan takes, stage by stage, and how far that is known."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from srft_assets.tables import figures, table, whole
from srft_assets.text import some

if TYPE_CHECKING:
    from srft_assets.platform.planning import StageCost
    from srft_assets.warehouse.cost import Cost

UNITS = ("", " k", " M", " G", " T")
Column = tuple[str, tuple[str, ...], Callable[["Cost"], float], Callable[[float], str]]


def short(value: float) -> str:
    """Three digits and a unit: 12.3 M."""
    unit = 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g}{UNITS[unit]}"


def hours(value: float) -> str:
    """GPU hours; little ones are not told apart."""
    return "< 0.1" if value < 0.05 else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


COLUMNS: tuple[Column, ...] = (
    ("calls", ("calls", "steps"), lambda cost: cost.calls - cost.answered + cost.steps, short),
    (
        "tokens",
        ("tokens_to_label", "tokens", "tokens_to_validate"),
        lambda cost: cost.tokens_to_label + cost.tokens + cost.tokens_to_validate,
        short,
    ),
    ("GPU h", ("gpu_hours",), lambda cost: cost.gpu_hours, hours),
    ("runs", ("rollouts",), lambda cost: cost.rollouts, short),
    ("USD", ("usd",), lambda cost: cost.usd, lambda value: f"{value:,.2f}"),
    ("disk", ("disk",), lambda cost: cost.disk, lambda value: f"{short(value)}B"),
)
"""Heads, the figures of each by name, their sum, and how it is written."""


def cost_table(stages: Sequence["StageCost"], total: "Cost") -> Table:
    """A line for each stage, and the sum; columns that nobody fills are left out."""
    lines = [*((one.stage, f"{one.in_sync}/{one.partitions}", one.cost) for one in stages)]
    lines.append(("all", "", total))
    shown = [
        column
        for column in COLUMNS
        if column[2](total) or any(name in total.unknown for name in column[1])
    ]
    rows = [(name, made, *(_cell(column, cost) for column in shown)) for name, made, cost in lines]
    return table([whole("stage"), *figures("made", *(column[0] for column in shown))], rows)


def _cell(column: Column, cost: "Cost") -> str:
    _, names, sum_of, written = column
    value = sum_of(cost)
    if any(name in cost.unknown for name in names):
        return f"≥ {written(value)}" if value else "?"
    return written(value) if value else "–"


def cost_notes(stages: Sequence["StageCost"], total: "Cost") -> list[str]:
    """What the figures are told from, and why some are unknown, or more than is told."""
    lines = list(total.basis)
    lacking: dict[str, dict[str, dict[str, None]]] = {}
    for head, names, *_ in COLUMNS:
        for one in stages:
            for why in {one.cost.unknown[name] for name in names if name in one.cost.unknown}:
                lacking.setdefault(why, {}).setdefault(one.stage, {})[head] = None
    for why, of in lacking.items():
        heads = dict.fromkeys(head for found in of.values() for head in found)
        lines.append(f"Unknown ({', '.join(heads)} of {some(list(of))}): {why}.")
    return lines
