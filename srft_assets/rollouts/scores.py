"""Played attempts as rows of `eval_scores`, and as figures of the asset's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.agent.play import run_path
from srft_assets.compare.rates import cells_of, fewest_attempts, mean_pass_at_k, rate_of
from srft_assets.errors import SrftError
from srft_assets.outcomes.model import is_approximate
from srft_assets.rollouts.job import Attempt, read_attempt
from srft_assets.rollouts.keeping import read_run
from srft_assets.rollouts.schema import EVAL_SCORES, UNSCORED
from srft_assets.trajectories.model import Trajectory


@dataclass(frozen=True, slots=True)
class Played:
    """One finished attempt: its outcome, its run, and what the calls cost in USD, if known."""

    attempt: Attempt
    run: Trajectory
    cost_usd: float | None


def played_attempt(out: Path, instance_id: str, attempt: int) -> Played:
    """What an evaluation left of one attempt. Raises SrftError where it was not played."""
    outcome = read_attempt(out, instance_id, attempt)
    if outcome is None:
        raise SrftError(f"{instance_id} was not played: remove {out} and try again")
    path = run_path(out, instance_id, attempt)
    return Played(outcome, read_run(path, attempt), cost_of(orjson.loads(path.read_bytes())))


def cost_of(record: dict[str, Any]) -> float | None:
    """USD of a mini-swe-agent run; None where it states none or 0, as models without a price do."""
    stated = (record.get("info") or {}).get("model_stats") or {}
    return float(stated.get("instance_cost") or 0) or None


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
    rate, k = rate_of(cells), fewest_attempts(cells)
    told: dict[str, object] = {
        "resolution_rate": rate.rate,
        "rate_95_low": rate.low,
        "rate_95_high": rate.high,
    }
    return told | ({f"pass_at_{k}": mean_pass_at_k(cells, k)} if k > 1 else {})
