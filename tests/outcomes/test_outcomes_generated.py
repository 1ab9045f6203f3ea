"""`test_outcomes` of a batch whose tasks were generated: its patches are graded in the sandbox."""

import json
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes import sandbox_grader, task
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.sandbox import Sandbox
from srft_assets.sandbox.bubblewrap import BubblewrapSandbox
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from tests.outcomes.conftest import Ingest, make, new_file
from tests.outcomes.stage_support import counts, fingerprint, write_run


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
        place = task.tasks_path(home, "batch")
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
        real = sandbox_grader.grade_patch

        def counted(task: Any, patch: str | None, *args: Any, **named: Any) -> Any:
            asked.append((task.instance_id, patch))
            return real(task, patch, *args, **named)

        monkeypatch.setattr(sandbox_grader, "grade_patch", counted)
        assert outcomes_of(lab).frame.height == 6
        assert len(asked) == len(set(asked)) == 4

    def test_the_same_runs_give_the_same_data_version(
        self, lab: Path, home: Home, outcomes_of: Ingest, sandbox: Sandbox
    ) -> None:
        first = outcomes_of(lab).frame.drop("log")
        assert make(home, test_outcomes_stage(), "batch").frame.drop("log").equals(first)

    def test_an_outcome_outlives_a_machine_that_fails_and_says_so(
        self, lab: Path, home: Home, outcomes_of: Ingest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also one of an earlier version of the grader, which is named then."""
        before = outcomes_of(lab).frame
        stage = test_outcomes_stage()
        broken = BubblewrapSandbox(home.root / "absent")
        monkeypatch.setattr("srft_assets.outcomes.stage.open_sandbox", lambda _: broken)
        monkeypatch.setattr(sandbox_grader, "GRADER_VERSION", "later")
        again = make(home, stage, "batch").frame
        counted = ["trajectory_id", "status", "f2p_passed", "p2p_passed"]
        assert again.select(counted).equals(before.select(counted))
        resolved = again.filter(pl.col("status") == "resolved")["reason"]
        assert all(
            "kept, as grading it anew failed: the sandbox did not" in one for one in resolved
        )
        assert all(one.endswith("; it is of version 2 of the grader") for one in resolved)
        once_more = make(home, stage, "batch").frame
        assert once_more["reason"].to_list() == again["reason"].to_list()

    def test_other_tasks_make_the_partition_stale(
        self, lab: Path, home: Home, outcomes_of: Ingest
    ) -> None:
        ingest(home, [lab], batch="batch")
        make(home, trajectories_stage(), "batch")
        before = fingerprint(home)
        with task.tasks_path(home, "batch").open("a") as file:
            file.write(json.dumps(generate_tasks(1, seed=4)[0].model_dump(by_alias=True)) + "\n")
        assert fingerprint(home) != before

    def test_a_damaged_task_is_named(self, lab: Path, home: Home) -> None:
        with task.tasks_path(home, "batch").open("a") as file:
            file.write('{"instance_id": 1}\n')
        with pytest.raises(SrftError, match=r"tasks\.jsonl, row 2: "):
            task.read_tasks(home, "batch")
