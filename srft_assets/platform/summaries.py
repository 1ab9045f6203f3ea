"""Figures of batches, critics and arms, as their partitions say them of themselves.

The named queries of the same names count rows, and open every file of the warehouse to do so. What
stamps say adds up to the same, as long as no run is held by two batches and no partition is behind
the runs of its batch; where it might not, there is no answer here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from srft_assets.home import Home
from srft_assets.outcomes.status import Status
from srft_assets.warehouse.partitions import Stamp, Warehouse
from srft_assets.warehouse.query import run_query

RUNS, OUTCOMES, VERDICTS, MASKS = (
    "trajectories",
    "test_outcomes",
    "step_verdicts",
    "masked_tokens",
)
GRADED_BY = "graded by "
UNSAID = (Status.INFRA_ERROR, Status.UNKNOWN)
BATCHES = pl.Schema(
    {
        "batch": pl.String,
        **dict.fromkeys(("runs", "steps", "resolved", "failed", "unknown"), pl.Int64),
        "graded_by": pl.String,
    }
)
CRITICS = pl.Schema(
    {
        "critic": pl.String,
        "version": pl.String,
        **dict.fromkeys(("batches", "runs", "steps", "labelled"), pl.Int64),
        "gold_set": pl.String,
        "f1": pl.Float64,
    }
)
ARMS = pl.Schema(
    {
        "arm": pl.String,
        **dict.fromkeys(("rows", "trained"), pl.Int64),
        "kept": pl.Float64,
        **dict.fromkeys(("checkpoints", "scored", "resolved"), pl.Int64),
        **dict.fromkeys(("rate", "low", "high"), pl.Float64),
    }
)


class UncertainError(Exception):
    """Adding up might not give what the rows do."""


def held_once(warehouse: Warehouse) -> bool:
    """Whether no run is held by two batches. Raises PolarsError, OSError where one is damaged."""
    files = [warehouse.path(RUNS, batch) for batch in warehouse.partitions(RUNS)]
    if not files:
        return True
    held = pl.scan_parquet(files, extra_columns="ignore", missing_columns="insert")
    return held.select(pl.col("trajectory_id").is_unique().all()).collect().item()


def summaries(
    home: Home, warehouse: Warehouse, names: Mapping[str, Sequence[str]]
) -> dict[str, pl.DataFrame | None]:
    """The rows of the named queries, each with one row for each of its `names`; None where one
    must be asked.

    Holds only where `held_once` does. Raises SrftError where what must be read is damaged.
    """
    # In one question, which looks once at every partition file for whether it changed meanwhile.
    scored = run_query(home, "FROM critic_f1 UNION ALL BY NAME FROM arm_scores")
    f1, rates = (
        {row[of]: row for row in scored.filter(pl.col(of).is_not_null()).iter_rows(named=True)}
        for of in ("critic", "arm")
    )
    made = {
        "batches": (BATCHES, _batches(warehouse)),
        "critics": (CRITICS, _critics(warehouse, f1)),
        "arms": (ARMS, _arms(warehouse, rates)),
    }
    return {name: _frame(schema, rows, names[name]) for name, (schema, rows) in made.items()}


def _frame(
    schema: pl.Schema, made: Iterable[Mapping[str, Any]], names: Sequence[str]
) -> pl.DataFrame | None:
    key = next(iter(schema))
    try:
        found = {row[key]: row for row in made}
    except UncertainError:
        return None
    rows = [found.get(each, {key: each}) for each in sorted({*found, *names})]
    return pl.DataFrame(rows, schema=schema)


def _batches(warehouse: Warehouse) -> Iterator[dict[str, Any]]:
    for batch in warehouse.partitions(RUNS):
        runs = _stamp(warehouse, RUNS, batch)
        said: Mapping[str, float] = {}
        if warehouse.path(OUTCOMES, batch).exists():
            outcomes = _of_these(_stamp(warehouse, OUTCOMES, batch), runs, batch)
            _figure(outcomes, "runs")
            said = outcomes.figures
        graders = [name.removeprefix(GRADED_BY) for name in said if name.startswith(GRADED_BY)]
        resolved = round(said.get(str(Status.RESOLVED), 0))
        unknown = round(sum(said.get(str(one), 0) for one in UNSAID)) if said else runs.rows
        if runs.rows:
            yield {
                "batch": batch,
                "runs": runs.rows,
                "steps": _figure(runs, "steps"),
                "resolved": resolved,
                "failed": runs.rows - resolved - unknown,
                "unknown": unknown,
                "graded_by": ", ".join(sorted(graders)) or None,
            }


def _critics(
    warehouse: Warehouse, of_mistakes: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    for critic in _names(warehouse, VERDICTS):
        asset = f"{VERDICTS}/{critic}"
        stamps = {
            batch: _of_these(_stamp(warehouse, asset, batch), _stamp(warehouse, RUNS, batch), batch)
            for batch in warehouse.partitions(asset)
        }
        judged = {batch: stamp for batch, stamp in stamps.items() if stamp.rows}
        if judged:
            latest = max(judged, key=lambda batch: judged[batch].made_at)
            score = of_mistakes.get(critic, {})
            yield {
                "critic": critic,
                "version": warehouse.read(asset, latest, ["version"])["version"][0],
                "batches": len(judged),
                "runs": sum(_figure(stamp, "runs") for stamp in judged.values()),
                "steps": sum(stamp.rows for stamp in judged.values()),
                "labelled": sum(_figure(stamp, "labelled") for stamp in judged.values()),
                "gold_set": score.get("gold_set"),
                "f1": score.get("f1"),
            }


def _arms(
    warehouse: Warehouse, scores: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    names = [*_names(warehouse, MASKS), *_names(warehouse, "checkpoints"), *scores]
    for arm in dict.fromkeys(names):
        asset = f"{MASKS}/{arm}"
        stamps = [_stamp(warehouse, asset, batch) for batch in warehouse.partitions(asset)]
        masked = [stamp for stamp in stamps if stamp.rows]
        trained = sum(_figure(stamp, "tokens_trained") for stamp in masked)
        tokens = trained + sum(_figure(stamp, "tokens_masked") for stamp in masked)
        checkpoints, score = len(warehouse.partitions(f"checkpoints/{arm}")), scores.get(arm, {})
        if masked or checkpoints or score:
            yield {
                "arm": arm,
                "rows": sum(stamp.rows for stamp in masked) if masked else None,
                "trained": trained if masked else None,
                "kept": trained / tokens if tokens else None,
                "checkpoints": checkpoints,
                "scored": score.get("scored"),
                "resolved": score.get("resolved_attempts"),
                "rate": score.get("rate"),
                "low": score.get("rate_low"),
                "high": score.get("rate_high"),
            }


def _names(warehouse: Warehouse, kind: str) -> list[str]:
    """The critics or arms that have a folder."""
    return sorted(path.name for path in (warehouse.root / kind).glob("*/"))


def _stamp(warehouse: Warehouse, asset: str, partition: str) -> Stamp:
    stamp = warehouse.stamp(asset, partition)
    if stamp is None:
        raise UncertainError(f"{asset}/{partition}")
    return stamp


def _of_these(stamp: Stamp, runs: Stamp, batch: str) -> Stamp:
    """The stamp, where its partition was made from the runs that are there."""
    if stamp.recipe.inputs.get(f"{RUNS}/{batch}") != runs.data_version:
        raise UncertainError(batch)
    return stamp


def _figure(stamp: Stamp, name: str) -> int:
    """A figure; versions before it was stated have none."""
    if name not in stamp.figures:
        raise UncertainError(name)
    return round(stamp.figures[name])
