"""What to know before reading a comparison."""

from collections.abc import Sequence

import polars as pl

from srft_assets.compare.difference import Difference


def notes_of(
    scores: pl.DataFrame, arms: pl.DataFrame, differences: Sequence[Difference]
) -> list[str]:
    """A line for each reservation: unlike tasks or seeds, a single seed, marked attempts."""
    lines = [_unlike(one, arms) for one in differences]
    notes = [line for line in dict.fromkeys(lines) if line]
    if differences and all(one.seeds == 1 for one in differences):
        notes.append("One seed: how much another training run would differ cannot be seen.")
    unscored = scores.filter(pl.col("resolved").is_null(), pl.col("arm").is_in(arms["arm"])).height
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


def _unlike(one: Difference, arms: pl.DataFrame) -> str | None:
    rows = {row["arm"]: row for row in arms.iter_rows(named=True)}
    mine, its = rows[one.arm], rows[one.against]
    for what in ("tasks", "seeds"):
        common = getattr(one, what)
        if not mine[what] == its[what] == common:
            return (
                f"{one.arm} has {_counted(mine[what], what[:-1])}, {one.against} {its[what]}: "
                f"the {common} in common are paired."
            )
    return None


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
