"""`eval_scores`: one row an attempt at a held-out task, and the figures of the asset's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.agent.play import Play
from srft_assets.compare.rates import cells_of, mean_pass_at_k, rate_of, usual_attempts
from srft_assets.errors import SrftError
from srft_assets.outcomes.status import Status, is_approximate
from srft_assets.rollouts.attempts import Attempt, read_attempt, read_run
from srft_assets.trajectories.model import Trajectory
from srft_assets.warehouse.partitions import Warehouse

EVAL_SCORES = pl.Schema(
    {
        "instance_id": pl.String,
        "attempt": pl.Int32,
        "trajectory_id": pl.String,
        "status": pl.String,
        "resolved": pl.Boolean,
        "n_steps": pl.Int32,
        "cost_usd": pl.Float64,
        "exit_status": pl.String,
        "f2p_passed": pl.Int32,
        "f2p_total": pl.Int32,
        "p2p_passed": pl.Int32,
        "p2p_total": pl.Int32,
        "seconds": pl.Float64,
        "grader": pl.String,
        "contaminated": pl.Boolean,
        "approximate": pl.Boolean,
    }
)
"""`resolved` is None where the status is `infra_error` or `unknown`: such rows are no score.
`seconds` is the wall time of playing and grading, with all other runs going on beside it.
`cost_usd` is None where the model has no price. `contaminated`: the arm was trained on a run of
the task; None where what it was trained on is gone. `approximate`: not graded as officially."""

VOLATILE = ("seconds",)

UNSCORED = frozenset({Status.INFRA_ERROR, Status.UNKNOWN})
"""Statuses that say nothing about the model."""


@dataclass(frozen=True, slots=True)
class Played:
    """One finished attempt: its outcome, its run, and what the calls cost in USD, if known."""

    attempt: Attempt
    run: Trajectory
    cost_usd: float | None


def read_played(out: Path, play: Play) -> Played:
    """What an evaluation left of one attempt. Raises SrftError where it was not played."""
    outcome = read_attempt(out, play)
    if outcome is None:
        raise SrftError(f"{play.task.instance_id} was not played: remove {out} and try again")
    path = play.path(out)
    return Played(outcome, read_run(path, play.attempt), cost_of(orjson.loads(path.read_bytes())))


def cost_of(record: dict[str, Any]) -> float | None:
    """USD of a mini-swe-agent run; None where it states none or 0, as models without a price do."""
    stated = (record.get("info") or {}).get("model_stats") or {}
    return float(stated.get("instance_cost") or 0) or None


def trained_on(arm: str, seed: str, warehouse: Warehouse) -> frozenset[str] | None:
    """Instance ids of the runs that `checkpoints/<arm>/<seed>` took tokens with loss from.

    They are read from the masked tokens that its stamp names. None where some of these are gone:
    then nobody knows. Runs of no known task tell nothing.
    """
    stamp = warehouse.stamp(f"checkpoints/{arm}", seed)
    if stamp is None:
        return None
    tokens = f"masked_tokens/{arm}"
    found: set[str] = set()
    for key in stamp.recipe.inputs:
        asset, _, batch = key.rpartition("/")
        if asset != tokens:
            continue
        if warehouse.stamp(tokens, batch) is None:
            return None
        rows = warehouse.read(tokens, batch, columns=["instance_id", "n_trained"])
        found.update(rows.filter(pl.col("n_trained") > 0)["instance_id"].drop_nulls())
    return frozenset(found - {"unknown"})


def score_rows(played: Sequence[Played], trained: frozenset[str] | None) -> pl.DataFrame:
    """Rows in the schema EVAL_SCORES. `trained`: tasks the arm was trained on; None: unknown."""
    rows = []
    for one in played:
        status, task = one.attempt.status, one.attempt.instance_id
        rows.append(
            {
                **one.attempt.model_dump(exclude={"reason"}),
                "resolved": None if status in UNSCORED else status == "resolved",
                "n_steps": len(one.run.steps),
                "cost_usd": one.cost_usd,
                "exit_status": one.run.exit_status,
                "contaminated": None if trained is None else task in trained,
                "approximate": is_approximate(one.attempt.grader),
            }
        )
    return pl.DataFrame(rows, schema=EVAL_SCORES)


def score_figures(arm: str, seed: int, frame: pl.DataFrame) -> dict[str, object]:
    """Counts, rate with its 95% interval, pass@k, steps, cost, marks, and how the runs ended."""
    scored = frame.filter(pl.col("resolved").is_not_null())
    ends = frame.group_by("exit_status").len().sort("len", descending=True)
    cost = frame["cost_usd"].drop_nulls()
    return {
        "attempts": frame.height,
        "scored": scored.height,
        "infra_errors": frame.height - scored.height,
        "resolved": int(scored["resolved"].sum()),
        **_rate(frame.with_columns(arm=pl.lit(arm), seed=pl.lit(seed))),
        "mean_steps": frame["n_steps"].mean(),
        **({"mean_cost_usd": cost.mean()} if len(cost) else {}),
        "contaminated": int(frame["contaminated"].sum()),
        "approximate": int(frame["approximate"].sum()),
        "ends": ", ".join(f"{status or 'none'} {count}" for status, count in ends.iter_rows()),
    }


def _rate(frame: pl.DataFrame) -> dict[str, object]:
    if frame["resolved"].null_count() == frame.height:
        return {"resolution_rate": None, "rate_95_low": 0.0, "rate_95_high": 1.0}
    cells = cells_of(frame, frame["arm"][0])
    rate, k = rate_of(cells), usual_attempts(cells)
    told: dict[str, object] = {
        "resolution_rate": rate.rate,
        "rate_95_low": rate.low,
        "rate_95_high": rate.high,
    }
    return told | ({f"pass_at_{k}": mean_pass_at_k(cells, k)} if k > 1 else {})
