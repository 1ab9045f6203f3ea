"""Arms beside one another: rates, paired differences, and what to know before reading them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import orjson
import polars as pl

from srft_assets.compare import ARMS, DRAWS, PAIRS, SEED
from srft_assets.compare.difference import Difference, family_differences, holm
from srft_assets.compare.rates import cells_of, mean_pass_at_k, rate_of, usual_attempts
from srft_assets.errors import UsageError
from srft_assets.warehouse.partitions import Warehouse

MANY_SEEDS = 5
"""With fewer, a bootstrap over seeds knows little of their spread: docs/scores.md has figures."""
COLUMN = "settings"
"""JSON of an evaluation's settings and code; a frame of scores may lack it."""
SEEN_ELSEWHERE = frozenset({"tasks", "task_seed", "rows"})
"""Settings that show in which tasks are paired."""


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
            as far as there `n_steps`, `cost_usd`, `contaminated`, `approximate`, `tainted`,
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
        k = usual_attempts(cells)
        given = own.group_by("instance_id", "seed").agg(pl.col("resolved").count())
        rows.append(
            {
                "arm": name,
                "tasks": len(cells.tasks),
                "seeds": len(cells.seeds),
                "attempts": own.height,
                **asdict(rate_of(cells, draws=draws, seed=seed)),
                "k": k,
                "pass_at_k": mean_pass_at_k(cells, k),
                "left_out": int((given["resolved"] < k).sum()),
                "mean_steps": _mean(own, "n_steps"),
                "mean_cost_usd": _mean(own, "cost_usd"),
                "contaminated": _count(own, "contaminated"),
                "approximate": _count(own, "approximate"),
                "tainted": _count(own, "tainted"),
            }
        )
    return rows


def _mean(rows: pl.DataFrame, column: str) -> float | None:
    known = rows[column].drop_nulls() if column in rows.columns else pl.Series(dtype=pl.Float64)
    return float(known.cast(pl.Float64).to_numpy().mean()) if len(known) else None


def _count(rows: pl.DataFrame, column: str) -> int:
    return int(rows[column].sum()) if column in rows.columns else 0


def notes_of(
    scores: pl.DataFrame, arms: pl.DataFrame, differences: Sequence[Difference]
) -> list[str]:
    """A line for each reservation: unlike tasks, seeds or settings, one seed, marked attempts."""
    rows = {row["arm"]: row for row in arms.iter_rows(named=True)}
    notes = [*dict.fromkeys(line for one in differences if (line := _unlike(one, rows)))]
    most = max((one.seeds for one in differences), default=MANY_SEEDS)
    if most == 1:
        notes.append("One seed: how much another training run would differ cannot be seen.")
    elif most < MANY_SEEDS:
        notes.append(
            f"{most} seeds: where training runs differ much, so few show it only in part; "
            "intervals are too narrow then, and p-values too small."
        )
    own = scores.filter(pl.col("arm").is_in(arms["arm"]))
    notes += unlike_settings(own)
    unscored = own.filter(pl.col("resolved").is_null()).height
    if unscored:
        notes.append(f"{_counted(unscored, 'attempt')} without a grade: no score.")
    for row in arms.filter(pl.col("k") > 1, pl.col("left_out") > 0).iter_rows(named=True):
        left = _counted(row["left_out"], "task")
        notes.append(
            f"pass@{row['k']} of {row['arm']} leaves out {left} with fewer scored attempts."
        )
    for column, told in (
        ("contaminated", "at tasks that the arm was trained on"),
        ("approximate", "graded by an approximation of the official grader"),
        ("tainted", "that read the fix, disabled tests or hard-coded answers"),
    ):
        marked = int(arms[column].sum())
        if marked:
            notes.append(f"{_counted(marked, 'attempt')} {told} (marked {column}).")
    return notes


def _unlike(one: Difference, arms: Mapping[str, dict[str, Any]]) -> str:
    mine, its = arms[one.arm], arms[one.against]
    told = [
        f"{one.arm} has {_counted(mine[what], what[:-1])}, {one.against} {its[what]}: "
        f"the {getattr(one, what)} in common are paired."
        for what in ("tasks", "seeds")
        if not mine[what] == its[what] == getattr(one, what)
    ]
    return " ".join(told)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def with_settings(scores: pl.DataFrame, warehouse: Warehouse) -> pl.DataFrame:
    """`scores` (arm, seed, …) with the column `settings`, as the partitions were made with."""
    rows = []
    for arm, seed in scores.select("arm", "seed").unique().rows():
        stamp = warehouse.stamp(f"eval_scores/{arm}", str(seed))
        stated = {"config": stamp.recipe.config, "code": stamp.recipe.code} if stamp else None
        rows.append((arm, seed, orjson.dumps(stated).decode() if stated else None))
    schema: dict[str, Any] = {
        "arm": scores.schema["arm"],
        "seed": scores.schema["seed"],
        COLUMN: pl.String,
    }
    told = pl.DataFrame(rows, schema=schema, orient="row")
    return scores.join(told, on=["arm", "seed"], how="left", maintain_order="left")


def unlike_settings(scores: pl.DataFrame) -> Iterator[str]:
    """A line for each setting that differs among the scores that count, and one for unlike code."""
    if COLUMN not in scores.columns:
        return
    counted = scores.filter(pl.col("resolved").is_not_null(), pl.col(COLUMN).is_not_null())
    rows = counted.select("arm", "seed", COLUMN).unique().sort("arm", "seed").rows()
    stated = {(arm, seed): orjson.loads(text) for arm, seed, text in rows}
    for name, values in _differing({who: one["config"] for who, one in stated.items()}):
        if name not in SEEN_ELSEWHERE:
            told = "; ".join(f"{value} for {who}" for value, who in values.items())
            yield f"Evaluated with unlike {name}: {told}."
    code = [name for name, _ in _differing({who: one["code"] for who, one in stated.items()})]
    if code:
        yield f"Evaluated by unlike versions of our code ({', '.join(code)}): srft plan says which."


def _differing(
    stated: Mapping[tuple[str, int], Mapping[str, object]],
) -> Iterator[tuple[str, dict[str, str]]]:
    """Names whose values differ, each with value → who has it."""
    for name in sorted({name for one in stated.values() for name in one}):
        who: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for (arm, seed), one in stated.items():
            value = orjson.dumps(one[name]).decode() if name in one else "the default"
            who[value][arm].append(seed)
        if len(who) > 1:
            yield name, {value: _listed(arms, who) for value, arms in who.items()}


def _listed(arms: Mapping[str, list[int]], who: Mapping[str, Mapping[str, list[int]]]) -> str:
    """Arms; with their seeds where other seeds of the arm have another value."""
    told = []
    for arm, seeds in arms.items():
        split = sum(arm in others for others in who.values()) > 1
        which = f" (seed {', '.join(map(str, seeds))})" if split else ""
        told.append(f"{arm}{which}")
    return ", ".join(told)
