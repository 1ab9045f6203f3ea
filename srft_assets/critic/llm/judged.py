"""The runs of a batch that a critic judges, with what it may see of their grading."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from srft_assets.critic.prompt.seen import Seen
from srft_assets.critic.spec import LlmSpec
from srft_assets.home import Home
from srft_assets.outcomes.gold_patch import gold_patches
from srft_assets.outcomes.model import FAILED
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.schema import from_row
from srft_assets.warehouse.recipe import digest

AT_ONCE = 16
"""Runs that are in memory together, beside those that are asked about."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A run to judge. `lacking` says why it cannot be: its steps stay unlabeled."""

    run: Trajectory
    seen: Seen
    lacking: str = ""


def judged_outcomes(spec: LlmSpec, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Outcomes of the runs to judge."""
    if spec.judge == "all":
        return outcomes
    return outcomes.filter(pl.col("status").is_in([str(one) for one in FAILED]))


def judged_runs(
    spec: LlmSpec, home: Home, batch: str, runs: pl.DataFrame, outcomes: pl.DataFrame
) -> Iterator[Judged]:
    """The runs of these outcomes, in the batch's order, a few in memory at once."""
    graded = {row["trajectory_id"]: row for row in outcomes.iter_rows(named=True)}
    patches = gold_patches(home, batch) if spec.sees.gold_patch else {}
    for part in runs.filter(pl.col("trajectory_id").is_in(list(graded))).iter_slices(AT_ONCE):
        for row in part.iter_rows(named=True):
            run = from_row(row)
            patch = patches.get(run.instance_id)
            lacking = ""
            if spec.sees.gold_patch and patch is None:
                lacking = f"no reference patch of {run.instance_id}: put its task into tasks/"
            yield Judged(run, _seen(spec, graded[run.trajectory_id], patch), lacking)


def _seen(spec: LlmSpec, outcome: dict, patch: str | None) -> Seen:
    """What the switches allow, and nothing else: the rest cannot change a request."""
    sees = spec.sees
    return Seen(
        outcome=_told(outcome) if sees.outcome else None,
        failed_tests=tuple(outcome["failed_tests"] or ()) if sees.failed_tests else None,
        gold_patch=patch if sees.gold_patch else None,
    )


def _told(outcome: dict) -> str:
    """The status, with counts where the grader gave any."""
    counts = [
        f"{outcome[f'{short}_passed'] or 0} of {outcome[f'{short}_total']} {name} tests passed"
        for short, name in (("f2p", "FAIL_TO_PASS"), ("p2p", "PASS_TO_PASS"))
        if outcome[f"{short}_total"]
    ]
    return outcome["status"] + (f" ({', '.join(counts)})" if counts else "")


def seen_tasks(spec: LlmSpec, home: Home, batch: str) -> dict[str, str]:
    """Setting of a batch: the reference patches, where the critic sees them."""
    return {"gold patches": digest(gold_patches(home, batch))} if spec.sees.gold_patch else {}
