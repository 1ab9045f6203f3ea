"""Ingest of real folders: every file is accounted for."""

import pytest

from srft_assets.trajectories.batches import read_manifest
from srft_assets.trajectories.ingest import ingest


def test_mini_swe_agent_runs(home, shared):
    plan = ingest(home, [shared / "trajectories/mini-swe-agent-v1"], batch="mini")
    assert plan.rows == 60
    assert plan.roles == {"predictions": 1, "refused": 1, "report": 60, "runs": 60}
    assert [refusal.source for refusal in plan.refusals] == ["manifest.json"]


def test_openhands_runs(home, shared):
    plan = ingest(home, [shared / "trajectories/openhands-v0.15"])
    assert plan.batches == ("openhands-v0.15",)
    assert plan.rows == 25
    assert plan.roles == {"refused": 1, "report": 24, "runs": 25}


@pytest.mark.parametrize("folder", ["harness-logs", "tasks"])
def test_every_real_file_without_runs_is_accounted_for(home, shared, folder):
    plan = ingest(home, [shared / folder], batch="b")
    real = [path for path in (shared / folder).rglob("*") if path.is_file()]
    assert (plan.batches, sum(plan.roles.values())) == ((), len(real))


def test_every_real_file_is_accounted_for_once(home, shared):
    folder = "trajectories"
    plan = ingest(home, [shared / folder], batch="b")
    manifest = read_manifest(home, "b")
    told = [
        *{item.path for item in manifest.items},
        *(file.path for file in manifest.predictions),
        *(one.path for one in manifest.refused),
        *(one.path for one in manifest.reports),
        *(file.path for one in manifest.reports for file in one.evidence),
    ]
    real = {
        str(p.relative_to(shared / folder)) for p in (shared / folder).rglob("*") if p.is_file()
    }
    assert sorted(told) == sorted(real)
    assert sum(plan.roles.values()) == len(real)


def test_real_refusals_say_what_the_file_is(home, shared):
    plan = ingest(home, [shared / "trajectories"], batch="b")
    told = {refusal.source: refusal.reason for refusal in plan.refusals}
    assert len(told) == 17
    smith = "swe-smith-fixtures/tests/test_logs"
    assert "line of a manifest" in told["mini-swe-agent-v1/manifest.json"]
    assert told[f"{smith}/run_validation/report.json"] == "is a task or a test list, not a run"
    assert told["hf-samples/NOTES.md"] == "not a run: .md file"
