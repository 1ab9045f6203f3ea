"""The asset `step_verdicts/<critic>`."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from srft_assets.critic.rules.critic import RulesCritic
from srft_assets.critic.verdict import (
    STEP_VERDICTS,
    VERSIONS,
    VOLATILE,
    Critic,
    Verdict,
    shares,
    verdict_row,
)
from srft_assets.outcomes.model import Status, TestOutcome
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.schema import from_row
from srft_assets.warehouse.code import source_digest
from srft_assets.warehouse.recipe import Code, digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""


def rules_stage(name: str = "rules", description: str = "") -> Stage:
    """The stage of the critic that needs no model. Judges every run."""
    rules = {"rules": source_digest("srft_assets.critic.rules")}
    return verdicts_stage(RulesCritic(name), rules, {}, description)


def verdicts_stage(
    critic: Critic, code: Mapping[str, str], config: Mapping[str, Any], description: str = ""
) -> Stage:
    """The stage of any critic: runs and outcomes in, one verdict a step out."""

    versioned: Code = {"version": VERSION, **code}
    version = digest({"code": versioned, "config": dict(config)})[:8]

    def make(work: Work) -> Made:
        rows: list[dict[str, Any]] = []
        for run, outcome in work.progress.track(
            list(_judged(work)), f"step_verdicts/{critic.name} {work.partition}"
        ):
            verdicts = critic.judge(run, outcome)
            _check_cover(run, verdicts, critic.name)
            rows += [verdict_row(run.trajectory_id, verdict, version) for verdict in verdicts]
        frame = pl.DataFrame(rows, schema=STEP_VERDICTS, orient="row")
        return Made(frame, metadata=shares(frame))

    return Stage(
        key=f"step_verdicts/{critic.name}",
        partitioned_by="batch",
        upstream=(Upstream("trajectories"), Upstream("test_outcomes")),
        schema=STEP_VERDICTS,
        code=versioned,
        config=dict(config),
        make=make,
        volatile=VOLATILE,
        kept=VERSIONS,
        description=description,
        kinds=frozenset({"python", "parquet"}),
    )


def _judged(work: Work) -> Iterator[tuple[Trajectory, TestOutcome]]:
    outcomes = {
        row["trajectory_id"]: TestOutcome(**{**row, "status": Status(row["status"])})
        for row in work.read("test_outcomes").iter_rows(named=True)
    }
    for row in work.read("trajectories").iter_rows(named=True):
        yield from_row(row), outcomes[row["trajectory_id"]]


def _check_cover(run: Trajectory, verdicts: list[Verdict], critic: str) -> None:
    if [verdict.step_index for verdict in verdicts] != list(range(len(run.steps))):
        raise ValueError(f"critic {critic} did not label every step of {run.trajectory_id} once")
