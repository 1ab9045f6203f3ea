"""`test_outcomes` of whole batches: real data, generated tasks, reports that change."""

import json
from pathlib import Path

import polars as pl
import pytest

from srft_assets.home import Home
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.sources import SourceChangedError
from srft_assets.warehouse.partitions import Warehouse
from tests.outcomes.conftest import Ingest, make
from tests.outcomes.stage_support import counts, fingerprint, report, write_run


class TestRealBatches:
    def test_mini_swe_agent(self, shared: Path, outcomes_of: Ingest) -> None:
        made = outcomes_of(shared / "trajectories" / "mini-swe-agent-v1")
        assert counts(made.frame) == {"resolved": 30, "unresolved": 30}
        assert made.frame.schema == TEST_OUTCOMES
        assert made.frame["f2p_total"].null_count() == 0
        manifest = json.loads(
            (shared / "trajectories" / "mini-swe-agent-v1" / "manifest.json").read_text()
        )
        resolved = made.frame.filter(pl.col("status") == "resolved")["instance_id"]
        assert set(resolved) == {row["instance_id"] for row in manifest if row["resolved"]}

    def test_openhands(self, shared: Path, outcomes_of: Ingest) -> None:
        frame = outcomes_of(shared / "trajectories" / "openhands-v0.15").frame
        assert counts(frame) == {"resolved": 11, "unresolved": 13, "unknown": 1}
        (unknown,) = frame.filter(pl.col("status") == "unknown").iter_rows(named=True)
        assert unknown["instance_id"] == "django__django-11265"
        assert (unknown["grader"], unknown["reason"]) == ("none", "nobody graded this run")

    def test_data_set_columns(self, shared: Path, outcomes_of: Ingest) -> None:
        samples = shared / "trajectories" / "hf-samples"
        frame = outcomes_of(samples / "nebius_SWE-agent-trajectories" / "sample_raw.json").frame
        assert counts(frame) == {"resolved": 5} and set(frame["grader"]) == {"source"}

    def test_every_run_has_one_row(self, shared: Path, home: Home, outcomes_of: Ingest) -> None:
        frame = outcomes_of(shared / "trajectories" / "swe-smith-fixtures").frame
        runs = Warehouse(home.warehouse).read("trajectories", "batch")
        assert frame["trajectory_id"].to_list() == runs["trajectory_id"].to_list()


class TestReports:
    def test_precedence(self, tmp_path: Path, outcomes_of: Ingest) -> None:
        runs, logs = tmp_path / "in", tmp_path / "in" / "logs"
        for name in ("a", "b", "c"):
            write_run(runs, name, f"x__y-{name}", "" if name == "c" else "+fix")
        report(logs, "x__y-a", resolved=True)
        frame = outcomes_of(runs).frame.sort("instance_id")
        assert frame["status"].to_list() == ["resolved", "unknown", "empty_patch"]
        assert frame["grader"].to_list() == ["swebench", "none", "source"]

    def test_a_contradicting_report_is_refused_and_told(
        self, tmp_path: Path, outcomes_of: Ingest
    ) -> None:
        write_run(tmp_path / "in", "a", "x__y-a", "+fix")
        report(tmp_path / "in" / "logs", "x__y-a", resolved=True, patch_exists=False)
        made = outcomes_of(tmp_path / "in")
        assert counts(made.frame) == {"unknown": 1}
        assert made.frame["reason"][0].startswith("report refused: ")
        assert [refusal.source for refusal in made.refused] == ["logs/x__y-a/report.json"]

    def test_a_changed_report_makes_the_partition_stale(
        self, tmp_path: Path, home: Home, outcomes_of: Ingest
    ) -> None:
        folder = tmp_path / "in"
        write_run(folder, "a", "x__y-a", "+fix")
        path = report(folder, "x__y-a", resolved=True)
        assert counts(outcomes_of(folder).frame) == {"resolved": 1}
        before = fingerprint(home)

        report(folder, "x__y-a", resolved=False)
        with pytest.raises(SourceChangedError, match=r"reports are not as they were ingested"):
            make(home, test_outcomes_stage(), "batch")
        ingest(home, [folder], batch="batch")
        assert fingerprint(home) != before
        assert counts(make(home, test_outcomes_stage(), "batch").frame) == {"unresolved": 1}
        assert path.exists()

    def test_the_harness_logs_beside_a_report_decide_too(
        self, tmp_path: Path, outcomes_of: Ingest
    ) -> None:
        folder = tmp_path / "in"
        write_run(folder, "a", "x__y-a", "+fix")
        where = folder / "x__y-a"
        where.mkdir()
        stated = {"patch_exists": True, "patch_successfully_applied": False, "resolved": False}
        (where / "report.json").write_text(json.dumps({"x__y-a": stated}))
        (where / "test_output.txt").write_text("Timeout error: 1800 seconds exceeded.")
        frame = outcomes_of(folder).frame
        assert counts(frame) == {"timeout": 1}
        assert frame["log"][0] == "Timeout error: 1800 seconds exceeded."


def test_an_empty_batch_has_an_empty_partition(tmp_path: Path, outcomes_of: Ingest) -> None:
    write_run(tmp_path / "in", "a", "x__y-a", "")
    assert outcomes_of(tmp_path / "in").frame.height == 1
    (tmp_path / "in" / "a.traj.json").write_text("{torn")
    made = outcomes_of(tmp_path / "in")
    assert made.frame.height == 0 and made.frame.schema == TEST_OUTCOMES


class TestRunsWithoutTurns:
    def test_a_model_that_never_kept_to_the_format_failed(
        self, tmp_path: Path, home: Home, outcomes_of: Ingest
    ) -> None:
        write_run(tmp_path / "in", "a", "x__y-a", "", exit_status="RepeatedFormatError")
        path = tmp_path / "in" / "a.traj.json"
        run = json.loads(path.read_text())
        path.write_text(json.dumps({**run, "messages": run["messages"][:2]}))
        made = outcomes_of(tmp_path / "in")
        assert counts(made.frame) == {"empty_patch": 1}
        (steps,) = Warehouse(home.warehouse).read("trajectories", "batch")["n_steps"]
        assert steps == 0

    def test_a_run_that_never_ended_is_none(self, tmp_path: Path, outcomes_of: Ingest) -> None:
        write_run(tmp_path / "in", "a", "x__y-a", None, exit_status=None)
        path = tmp_path / "in" / "a.traj.json"
        run = json.loads(path.read_text())
        path.write_text(json.dumps({**run, "messages": run["messages"][:2]}))
        write_run(tmp_path / "in", "b", "x__y-b", "")
        assert outcomes_of(tmp_path / "in").frame["instance_id"].to_list() == ["x__y-b"]
