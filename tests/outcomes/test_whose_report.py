"""Reports in folders as people lay them: each outcome is of the run it was made for, or of none."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from srft_assets.critic.stages import rules_stage
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.partitions import Warehouse
from tests.outcomes.conftest import make
from tests.outcomes.stage_support import report, write_run
from tests.trajectories.ingest_support import run_of, write_lines


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def outcomes(home: Home, *paths: Path, size: int = 200, batch: str = "b") -> dict[str, str]:
    """File of a run, without suffix → its status."""
    plan = ingest(home, paths, batch=batch, batch_size=size)
    for name in plan.batches:
        make(home, trajectories_stage(), name)
        make(home, test_outcomes_stage(), name)
    warehouse = Warehouse(home.warehouse)
    rows = pl.concat(
        warehouse.read("test_outcomes", name).join(
            warehouse.read("trajectories", name).select("trajectory_id", "source"),
            on="trajectory_id",
        )
        for name in plan.batches
    )
    told = rows.select("source", "status").sort("source").iter_rows()
    return {source.removesuffix(".traj.json"): status for source, status in told}


def two_experiments(root: Path) -> None:
    """Both played task 1; each has a final report, and predictions, of its own."""
    write_run(root / "one", "x__y-1", "x__y-1", "+good\n")
    write_run(root / "one", "x__y-2", "x__y-2", "+poor\n")
    write_run(root / "two", "x__y-1", "x__y-1", "+bad\n")
    patches = {"one": {"x__y-1": "+good\n", "x__y-2": "+poor\n"}, "two": {"x__y-1": "+bad\n"}}
    for name, of in patches.items():
        rows = [
            {"instance_id": i, "model_name_or_path": "m", "model_patch": p} for i, p in of.items()
        ]
        write(root / name / "preds.json", rows)
    one = {"stats": {"generated": 2, "with_logs": 2}, "resolved": ["x__y-1"]}
    write(root / "one" / "final_report.json", one)
    write(root / "two" / "final_report.json", {**one, "resolved": []})


@pytest.mark.parametrize("size", [200, 2, 1])
def test_outcomes_do_not_depend_on_the_size_of_batches(
    tmp_path: Path, home: Home, size: int
) -> None:
    two_experiments(tmp_path / "in")
    write(tmp_path / "in/two/final_report.json", {"resolved": []})
    assert outcomes(home, tmp_path / "in", size=size) == {
        "one/x__y-1": "resolved",
        "one/x__y-2": "unresolved",
        "two/x__y-1": "unknown",
    }


def test_a_report_of_a_folder_without_runs_is_of_none_beside_it(tmp_path: Path, home: Home) -> None:
    two_experiments(tmp_path / "in")
    (tmp_path / "in/one/x__y-1.traj.json").unlink()
    (tmp_path / "in/one/x__y-2.traj.json").unlink()
    (tmp_path / "in/two/final_report.json").unlink()
    assert outcomes(home, tmp_path / "in") == {"two/x__y-1": "unknown"}


def test_a_report_above_two_runs_of_a_task_says_nothing_of_either(
    tmp_path: Path, home: Home
) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / "in" / name, "x__y-1", "x__y-1", f"+{name}\n")
    write(tmp_path / "in/report.json", {"resolved_ids": ["x__y-1"], "unresolved_ids": []})
    for size in (200, 1):
        told = outcomes(home, tmp_path / "in", size=size, batch=f"b{size}")
        assert set(told.values()) == {"unknown"}


@pytest.mark.parametrize("size", [200, 1])
@pytest.mark.parametrize(
    ("models", "first"), [(("m-1", "m-2"), "resolved"), (("m-1",) * 2, "unknown")]
)
def test_a_report_of_a_model_is_of_its_one_run_of_a_task(
    tmp_path: Path, home: Home, models: tuple[str, str], first: str, size: int
) -> None:
    folder = tmp_path / "in"
    write(folder / "m-1.json", {"resolved_ids": ["x__y-1"], "unresolved_ids": []})
    for name, model in zip(("one", "two"), models, strict=True):
        stated = {"model": {"model_name": model}}
        write_run(folder / name, "x__y-1", "x__y-1", f"+{name}\n", config=stated)
        told = outcomes(home, folder, size=size)
        assert told.pop("one/x__y-1") == (first if told else "resolved"), "two was ingested later"
        assert set(told.values()) <= {"unknown"}


def test_the_graded_patch_finds_its_run_anywhere(tmp_path: Path, home: Home) -> None:
    folder = tmp_path / "in"
    write_run(folder / "one", "x__y-1", "x__y-1", "+one\n")
    write_run(folder / "two", "x__y-1", "x__y-1", "+two\r\n")
    report(folder / "graded", "x__y-1", resolved=True)
    (folder / "graded/x__y-1/patch.diff").write_text("+two")
    assert outcomes(home, folder) == {"one/x__y-1": "unknown", "two/x__y-1": "resolved"}


class TestNoPatch:
    def test_a_run_that_ended_without_one_is_never_resolved(
        self, tmp_path: Path, home: Home
    ) -> None:
        folder = tmp_path / "in"
        write_run(folder, "x__y-1", "x__y-1", None, exit_status="LimitsExceeded")
        write(folder / "results.json", {"resolved_ids": ["x__y-1"], "unresolved_ids": []})
        assert outcomes(home, folder) == {"x__y-1": "empty_patch"}

    def test_an_unresolved_run_without_one_has_an_empty_patch(
        self, tmp_path: Path, home: Home
    ) -> None:
        folder = tmp_path / "in"
        write_run(folder, "x__y-1", "x__y-1", None)
        write(folder / "results.json", {"no_generation": [], "no_logs": [], "resolved": []})
        assert outcomes(home, folder) == {"x__y-1": "empty_patch"}

    def test_predictions_beside_a_run_may_say_so(self, tmp_path: Path, home: Home) -> None:
        folder = tmp_path / "in"
        write_run(folder, "x__y-1", "x__y-1", None, exit_status=None)
        write(folder / "preds.json", {"x__y-1": {"model_patch": None, "instance_id": "x__y-1"}})
        assert outcomes(home, folder) == {"x__y-1": "empty_patch"}

    @pytest.mark.parametrize("form", ["mini-swe-agent", "rows"])
    @pytest.mark.parametrize("patch", ["", "+half\n"])
    def test_a_crash_of_the_server_is_no_failure_of_the_model(
        self, tmp_path: Path, home: Home, patch: str, form: str
    ) -> None:
        """Whatever patch it left, and whatever a report says of that."""
        ends = ("ServiceUnavailableError", "IndexError", "exit_api", "RepeatedFormatError")
        stated = {"patch": patch, "resolved": False}
        rows = [{**run_of(name), "exit_status": name, **stated} for name in ends]
        for name in ends:
            report(tmp_path / "in/logs", name, resolved=False)
            if form != "rows":
                write_run(tmp_path / "in", name, name, patch, exit_status=name)
        if form == "rows":
            write_lines(tmp_path / "in/runs.jsonl", rows)
        outcomes(home, tmp_path / "in")
        frame = Warehouse(home.warehouse).read("test_outcomes", "b")
        told = dict(frame.select("instance_id", "status").iter_rows())
        own = "unresolved" if patch and form == "rows" else "empty_patch"
        assert told.pop("RepeatedFormatError") == own, "an end of the model's own making"
        assert set(told.values()) == {"infra_error"}
        judged = make(home, rules_stage(), "b").frame
        assert judged["trajectory_id"].n_unique() == 1, "nor is it judged"


class TestAttached:
    """`srft ingest EVALUATION --batch r`, after the runs."""

    def runs(self, tmp_path: Path, home: Home) -> Path:
        folder = tmp_path / "runs"
        for number in (1, 2):
            write_run(folder, f"x__y-{number}", f"x__y-{number}", f"+{number}\n")
        assert set(outcomes(home, folder).values()) == {"unknown"}
        later = tmp_path / "evaluation"
        write(later / "m.json", {"resolved_ids": ["x__y-1"], "unresolved_ids": ["x__y-2"]})
        return later

    def test_reports_of_another_folder_find_the_runs(self, tmp_path: Path, home: Home) -> None:
        later = self.runs(tmp_path, home)
        expected = {"x__y-1": "resolved", "x__y-2": "unresolved"}
        assert outcomes(home, later) == expected
        rows = Warehouse(home.warehouse).read("test_outcomes", "b")
        assert rows["reason"].str.contains("by the instance alone").all()
        assert outcomes(home, tmp_path / "runs") == expected, "they stay with the runs"

    def test_two_runs_of_an_instance_are_not_told_apart(self, tmp_path: Path, home: Home) -> None:
        later = self.runs(tmp_path, home)
        write_run(tmp_path / "runs/again", "x__y-1", "x__y-1", "+3\n")
        outcomes(home, tmp_path / "runs")
        told = outcomes(home, later)
        assert told == {"again/x__y-1": "unknown", "x__y-1": "unknown", "x__y-2": "unresolved"}

    def test_runs_of_another_folder_are_refused_as_before(self, tmp_path: Path, home: Home) -> None:
        self.runs(tmp_path, home)
        write_run(tmp_path / "others", "x__y-3", "x__y-3", "+\n")
        with pytest.raises(UsageError, match="holds runs of"):
            ingest(home, [tmp_path / "others"], batch="b")
