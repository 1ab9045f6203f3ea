"""What to know before reading a comparison."""

from collections.abc import Sequence

import polars as pl

from srft_assets.compare.difference import Difference
from srft_assets.compare.settings import unlike_settings

MANY_SEEDS = 5
"""With fewer, a bootstrap over seeds knows little of their spread: docs/scores.md has figures."""


def notes_of(
    scores: pl.DataFrame, arms: pl.DataFrame, differences: Sequence[Difference]
) -> list[str]:
    """A line for each reservation: unlike tasks, seeds or settings, one seed, marked attempts."""
    lines = [_unlike(one, arms) for one in differences]
    notes = [line for line in dict.fromkeys(lines) if line]
    notes += _few_seeds(max((one.seeds for one in differences), default=MANY_SEEDS))
    own = scores.filter(pl.col("arm").is_in(arms["arm"]))
    notes += unlike_settings(own)
    unscored = own.filter(pl.col("resolved").is_null()).height
    if unscored:
        notes.append(f"{_counted(unscored, 'attempt')} without a grade: no score.")
    for column, told in (
        ("contaminated", "at tasks that the arm was trained on"),
        ("approximate", "graded by an approximation of the official grader"),
    ):
        marked = int(arms[column].sum())
        if marked:
            notes.append(f"{_counted(marked, 'attempt')} {told} (marked {column}).")
    return notes


def _few_seeds(most: int) -> list[str]:
    if most == 1:
        return ["One seed: how much another training run would differ cannot be seen."]
    if most < MANY_SEEDS:
        return [
            f"{most} seeds: where training runs differ much, so few show it only in part; "
            "intervals are too narrow then, and p-values too small."
        ]
    return []


def _unlike(one: Difference, arms: pl.DataFrame) -> str | None:
    rows = {row["arm"]: row for row in arms.iter_rows(named=True)}
    mine, its = rows[one.arm], rows[one.against]
    told = [
        f"{one.arm} has {_counted(mine[what], what[:-1])}, {one.against} {its[what]}: "
        f"the {getattr(one, what)} in common are paired."
        for what in ("tasks", "seeds")
        if not mine[what] == its[what] == getattr(one, what)
    ]
    return " ".join(told) or None


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
