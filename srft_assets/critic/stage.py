"""The asset `step_verdicts/<critic>`."""

import polars as pl

from srft_assets.critic.rules.critic import judge
from srft_assets.critic.verdict import STEP_VERDICTS, VERSIONS, VOLATILE, shares, verdict_row
from srft_assets.trajectories.schema import from_row
from srft_assets.warehouse.code import source_digest
from srft_assets.warehouse.recipe import Code, digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""


def rules_stage(name: str = "rules", description: str = "") -> Stage:
    """The stage of the critic that needs no model. Judges every run."""
    code: Code = {"version": VERSION, "rules": source_digest("srft_assets.critic.rules")}
    version = digest({"code": code, "config": {}})[:8]

    def make(work: Work) -> Made:
        runs = work.read("trajectories")
        label = f"step_verdicts/{name} {work.partition}"
        rows = []
        for row in work.progress.track(runs.iter_rows(named=True), label, runs.height):
            run = from_row(row)
            rows += [verdict_row(run.trajectory_id, one, version) for one in judge(run)]
        frame = pl.DataFrame(rows, schema=STEP_VERDICTS, orient="row")
        return Made(frame, metadata=shares(frame))

    return Stage(
        key=f"step_verdicts/{name}",
        partitioned_by="batch",
        upstream=(Upstream("trajectories"), Upstream("test_outcomes")),
        schema=STEP_VERDICTS,
        code=code,
        make=make,
        volatile=VOLATILE,
        kept=VERSIONS,
        description=description,
        kinds=frozenset({"python", "parquet"}),
    )
