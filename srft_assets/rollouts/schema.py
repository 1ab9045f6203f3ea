"""The `eval_scores` partition: one row an attempt at a held-out task."""

import polars as pl

from srft_assets.outcomes.model import Status

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
