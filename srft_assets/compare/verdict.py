"""What the scores can say, and what they cannot."""

import polars as pl

from srft_assets.compare.detectable import ALPHA

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
