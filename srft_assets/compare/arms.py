"""Arms beside one another: a table of rates and a table of paired differences."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import polars as pl

from srft_assets.compare.difference import family_differences, holm
from srft_assets.compare.notes import notes_of
from srft_assets.compare.rates import (
    cells_of,
    fewest_attempts,
    mean_pass_at_k,
    rate_of,
)
from srft_assets.compare.schema import DRAWS, PAIRS, SEED
from srft_assets.errors import UsageError

ARMS = pl.Schema(
    {
        "arm": pl.String,
        "tasks": pl.Int32,
        "seeds": pl.Int32,
        "attempts": pl.Int32,
        "scored": pl.Int32,
        "resolved": pl.Int32,
        "rate": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "method": pl.String,
        "k": pl.Int32,
        "pass_at_k": pl.Float64,
        "mean_steps": pl.Float64,
        "mean_cost_usd": pl.Float64,
        "contaminated": pl.Int32,
        "approximate": pl.Int32,
    }
)
"""One row an arm. `attempts` counts all rows, `scored` those that the grader did not fail on,
`resolved` those whose patch passes; `rate` (0 to 1) has the 95% interval `low` to `high`, made by
`method`: wilson or bootstrap. `k` is the number of attempts at every task with one seed.
`mean_cost_usd` is over attempts whose cost is known; null where none is. `contaminated` and
`approximate` count marked attempts."""


@dataclass(frozen=True)
class Comparison:
    """Attributes:
    arms: one row an arm, in the schema `ARMS`.
    pairs: one row a pair of arms, in the schema `PAIRS`; Holm's correction is over these rows.
    notes: what to know before reading them, a line each.
    """

    arms: pl.DataFrame
    pairs: pl.DataFrame
    notes: tuple[str, ...]


def compare_arms(
    scores: pl.DataFrame,
    arms: Sequence[str] = (),
    *,
    against: str | None = None,
    seeds: Sequence[int] = (),
    draws: int = DRAWS,
    seed: int = SEED,
) -> Comparison:
    """Rates of the arms, and their differences paired by task and seed.

    Args:
        scores: one row an attempt: `arm`, `seed`, `instance_id`, `resolved` (null: no score), and
            as far as they are there `n_steps`, `cost_usd`, `contaminated`, `approximate`,
            `settings` (see `with_settings`).
        arms: which, in the order of the tables; none: all, best first.
        against: compare each arm with this one; None: every two arms.
        seeds: which; none: all. An arm without a score for one of them is an error.
        draws, seed: of the bootstrap.

    Raises UsageError for an arm or a seed without scores, SrftError where a column is missing.
    """
    named = [*dict.fromkeys([*arms, *([against] if against and arms else [])])]
    chosen = _chosen(scores, named or ([against] if against else []), seeds)
    if named:
        chosen = chosen.filter(pl.col("arm").is_in(named))
    rows = _arm_rows(chosen, named or sorted(set(chosen["arm"])), draws, seed)
    if not named:
        rows.sort(key=lambda row: (-row["rate"], row["arm"]))
    names = [row["arm"] for row in rows]
    if against is None:
        family = [*combinations(names, 2)]
    else:
        family = [(name, against) for name in names if name != against]
    found, unpaired = family_differences(chosen, family, draws, seed)
    adjusted = holm([one.p_value for one in found])
    pairs = [{**asdict(one), "p_holm": p} for one, p in zip(found, adjusted, strict=True)]
    table = pl.DataFrame(rows, schema=ARMS)
    return Comparison(
        table,
        pl.DataFrame(pairs, schema=PAIRS),
        (*notes_of(chosen, table, found), *unpaired),
    )


def _chosen(scores: pl.DataFrame, named: Sequence[str], seeds: Sequence[int]) -> pl.DataFrame:
    """The rows of these seeds; all the named arms have a score with each of them."""
    there = scores.filter(pl.col("resolved").is_not_null())
    known = sorted(set(there["arm"]))
    for name in named:
        if name not in known:
            told = ", ".join(known) or "none yet"
            raise UsageError(f"no scores of an arm {name!r}; there are: {told}")
    if not seeds:
        return scores.filter(pl.col("arm").is_in(known))
    for name in named or known:
        own = sorted(set(there.filter(pl.col("arm") == name)["seed"]))
        absent = [str(one) for one in seeds if one not in own]
        if absent:
            has = ", ".join(map(str, own))
            raise UsageError(
                f"arm {name} has no scores with seed {', '.join(absent)}; it has seed {has}"
            )
    return scores.filter(pl.col("arm").is_in(known), pl.col("seed").is_in(list(seeds)))


def _arm_rows(
    scores: pl.DataFrame, names: Sequence[str], draws: int, seed: int
) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        own = scores.filter(pl.col("arm") == name)
        cells = cells_of(scores, name)
        k = fewest_attempts(cells)
        rows.append(
            {
                "arm": name,
                "tasks": len(cells.tasks),
                "seeds": len(cells.seeds),
                "attempts": own.height,
                **asdict(rate_of(cells, draws=draws, seed=seed)),
                "k": k,
                "pass_at_k": mean_pass_at_k(cells, k),
                "mean_steps": _mean(own, "n_steps"),
                "mean_cost_usd": _mean(own, "cost_usd"),
                "contaminated": _count(own, "contaminated"),
                "approximate": _count(own, "approximate"),
            }
        )
    return rows


def _mean(rows: pl.DataFrame, column: str) -> float | None:
    """Over the rows where it is known."""
    known = rows[column].drop_nulls() if column in rows.columns else pl.Series(dtype=pl.Float64)
    return float(known.cast(pl.Float64).to_numpy().mean()) if len(known) else None


def _count(rows: pl.DataFrame, column: str) -> int:
    return int(rows[column].sum()) if column in rows.columns else 0
