"""What to know before reading a comparison: unlike tasks, seeds or settings, few seeds, marks."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import polars as pl

from srft_assets.compare.difference import Difference
from srft_assets.warehouse.partitions import Warehouse

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


COLUMN = "settings"
"""JSON of an evaluation's settings and code; a frame of scores may lack it."""
SEEN_ELSEWHERE = frozenset({"tasks", "task_seed"})
"""Settings that show in which tasks are paired."""


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
