"""Under which settings arms were evaluated: scores of unlike evaluations are no fair comparison."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import polars as pl

from srft_assets.warehouse.store import Warehouse

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
