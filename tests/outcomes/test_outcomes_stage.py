"""`test_outcomes` of whole batches: real data, generated tasks, reports that change."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes import grading
from srft_assets.outcomes import stage as stage_module
from srft_assets.outcomes.model import TEST_OUTCOMES
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.sandbox import Sandbox
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.sources import SourceChangedError
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.store import Warehouse
from tests.outcomes.conftest import Ingest, make, new_file


def counts(frame: pl.DataFrame) -> dict[str, int]:
    return dict(Counter(frame["status"].to_list()))


def write_run(folder: Path, name: str, instance: str, patch: str | None, **info: Any) -> None:
    """A run as mini-swe-agent writes it."""
    info = {"exit_status": "Submitted", "submission": patch, "mini_version": "1.15.0", **info}
    messages = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": f"Fix {instance}, {name}."},
        {"role": "assistant", "content": "Look.\n\n```bash\nls\n```"},
        {"role": "user", "content": "<returncode>0</returncode>\n<output>\na.py\n</output>"},
    ]
    run = {
        "info": info,
        "messages": messages,
        "trajectory_format": "mini-swe-agent-1",
        "instance_id": instance,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.traj.json").write_text(json.dumps(run))


def report(folder: Path, instance: str, resolved: bool, **more: Any) -> Path:
    path = folder / instance / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {"success": ["t"] if resolved else [], "failure": [] if resolved else ["t"]}
    tests = {"FAIL_TO_PASS": kinds, "PASS_TO_PASS": {"success": [], "failure": []}}
    path.write_text(json.dumps({instance: {"resolved": resolved, "tests_status": tests, **more}}))
    return path


def fingerprint(home: Home) -> str:
    stage = test_outcomes_stage()
    return recipe_of(stage, home, Warehouse(home.warehouse), "batch").fingerprint


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


class TestGeneratedTasks:
    @pytest.fixture
    def lab(self, tmp_path: Path, home: Home) -> Path:
        """Runs of generated tasks: right, wrong, equal, empty, broken, and of no task of ours."""
        tasks = generate_tasks(2, seed=3)
        folder = tmp_path / "in"
        first, second = tasks
        write_run(folder, "right", first.instance_id, first.patch)
        write_run(folder, "again", first.instance_id, first.patch)
        write_run(folder, "wrong", second.instance_id, new_file("notes.txt", "hm\n"))
        write_run(folder, "empty", second.instance_id, "")
        write_run(folder, "broken", second.instance_id, "no patch at all")
        write_run(folder, "other", "x__y-1", "+fix")
        place = grading.tasks_path(home, "batch")
        place.parent.mkdir(parents=True)
        rows = (orjson.dumps(task.model_dump(by_alias=True)) + b"\n" for task in tasks)
        place.write_bytes(b"".join(rows))
        return folder

    def test_they_are_really_graded(self, lab: Path, outcomes_of: Ingest, sandbox: Sandbox) -> None:
        made = outcomes_of(lab)
        graded = made.frame.filter(pl.col("grader") == "srft-local")
        assert counts(graded) == {
            "resolved": 2,
            "unresolved": 1,
            "empty_patch": 1,
            "patch_failed": 1,
        }
        assert counts(made.frame.filter(pl.col("grader") == "none")) == {"unknown": 1}
        assert made.metadata["graded by srft-local"] == 5

    def test_equal_patches_are_graded_once(
        self, lab: Path, outcomes_of: Ingest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[str, str | None]] = []
        real = grading.grade_patch

        def counted(task: Any, patch: str | None, *args: Any, **named: Any) -> Any:
            asked.append((task.instance_id, patch))
            return real(task, patch, *args, **named)

        monkeypatch.setattr(grading, "grade_patch", counted)
        assert outcomes_of(lab).frame.height == 6
        assert len(asked) == len(set(asked)) == 4

    def test_the_same_runs_give_the_same_data_version(
        self, lab: Path, home: Home, outcomes_of: Ingest, sandbox: Sandbox
    ) -> None:
        first = outcomes_of(lab).frame.drop("log")
        assert make(home, test_outcomes_stage(), "batch").frame.drop("log").equals(first)

    def test_other_tasks_make_the_partition_stale(
        self, lab: Path, home: Home, outcomes_of: Ingest
    ) -> None:
        ingest(home, [lab], batch="batch")
        make(home, trajectories_stage(), "batch")
        before = fingerprint(home)
        with grading.tasks_path(home, "batch").open("a") as file:
            file.write(json.dumps(generate_tasks(1, seed=4)[0].model_dump(by_alias=True)) + "\n")
        assert fingerprint(home) != before

    def test_a_damaged_task_is_named(self, lab: Path, home: Home) -> None:
        with grading.tasks_path(home, "batch").open("a") as file:
            file.write('{"instance_id": 1}\n')
        with pytest.raises(SrftError, match=r"tasks\.jsonl, row 2: "):
            grading.read_tasks(home, "batch")


@pytest.mark.parametrize("ours", [True, False])
def test_the_sandbox_decides_only_what_is_graded_in_it(
    ours: bool, tmp_path: Path, home: Home, outcomes_of: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "in", "a", "x__y-1", "+fix")
    outcomes_of(tmp_path / "in")
    if ours:
        place = grading.tasks_path(home, "batch")
        place.parent.mkdir(parents=True)
        place.write_bytes(b"")
    before, real = fingerprint(home), stage_module.code_digest
    monkeypatch.setattr(
        stage_module,
        "code_digest",
        lambda *names: "new" if "srft_assets.sandbox" in names else real(*names),
    )
    assert (fingerprint(home) != before) is ours


def test_an_empty_batch_has_an_empty_partition(tmp_path: Path, outcomes_of: Ingest) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.traj.json").write_text("{torn")
    made = outcomes_of(tmp_path / "in")
    assert made.frame.height == 0 and made.frame.schema == TEST_OUTCOMES
