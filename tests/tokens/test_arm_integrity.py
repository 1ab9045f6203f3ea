"""What becomes of runs that read the fix, and which tasks an arm takes by their solve rate."""

from dataclasses import replace

import polars as pl
import pytest

from srft_assets.home import Home
from srft_assets.integrity.finding import INTEGRITY, Finding, Kind, finding_row
from srft_assets.integrity.stage import integrity_stage
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.run_choice import choose, solve_rates
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.tokens.warnings import runs_untainted
from srft_assets.trajectories.model import Action, rows_of
from srft_assets.warehouse.making import make_partition, recipe_of, work_alone
from srft_assets.warehouse.partitions import Warehouse
from tests.tokens.batch import filled, make, put, run, trained

__all__ = ["filled"]

FIX = "diff --git a/calc.py b/calc.py\n-    return a - b\n+    return a + b\n"


@pytest.fixture
def leaky(filled: Home) -> Home:
    """The batch, in which `good` reads the fix from the history at its second step."""
    runs = [run(name, ["look", "break", "mend"]) for name in ("good", "bad", "odd", "infra")]
    told = Action("bash", "git show origin/main")
    runs[0].steps[1] = replace(runs[0].steps[1], actions=[told], observations=[FIX])
    put(filled, "trajectories", rows_of(runs, "b"))
    stage = integrity_stage()
    make_partition(stage, work_alone(stage, filled, "b"))
    return filled


def rows(arm: ArmSpec, home: Home) -> dict[str, list[int]]:
    return trained(make(masked_tokens_stage(arm), home))


def test_a_run_that_reads_the_fix_is_found(leaky: Home):
    (one,) = Warehouse(leaky.warehouse).read("integrity", "b").to_dicts()
    assert (one["trajectory_id"], one["step_index"], one["kind"]) == ("good", 1, "reads_fix")
    assert one["reason"] == "git show origin/main, of another branch"
    stamp = Warehouse(leaky.warehouse).stamp("integrity", "b")
    assert stamp is not None
    assert stamp.figures["runs_tainted"] == stamp.figures["tainted_reads_fix"] == 1


def test_it_is_dropped_from_rft_and_srft(leaky: Home):
    assert rows(ArmSpec(name="rft", runs="resolved"), leaky) == {}
    assert set(rows(ArmSpec(name="srft", critic="rules"), leaky)) == {"bad", "odd", "infra"}


def test_or_masked_where_it_did_so_or_kept(leaky: Home):
    masked = ArmSpec(name="rft", runs="resolved", integrity="mask")
    assert rows(masked, leaky) == {"good": [0, 2]}
    assert rows(ArmSpec(name="rft", runs="resolved", integrity="keep"), leaky)["good"] == [0, 1, 2]


def test_the_arm_says_how_many_were_dropped_and_why(leaky: Home):
    arm = ArmSpec(name="srft", critic="rules")
    stage = masked_tokens_stage(arm)
    make_partition(stage, work_alone(stage, leaky, "b"))
    said = runs_untainted(arm, leaky, Warehouse(leaky.warehouse), ["b"])
    assert said is not None and not said.warns
    assert said.line == "left out as tainted: 1 read the fix (srft sql 'FROM leaks')"


def test_an_arm_that_keeps_them_has_no_edge_from_the_findings(leaky: Home):
    def inputs(arm: ArmSpec) -> set[str]:
        stage = masked_tokens_stage(arm)
        return set(recipe_of(stage, leaky, Warehouse(leaky.warehouse), "b").inputs)

    assert "integrity/b" in inputs(ArmSpec(name="sft"))
    assert "integrity/b" not in inputs(ArmSpec(name="sft", integrity="keep"))
    stated = ArmSpec(name="sft", integrity="keep", where="NOT list_contains(leaks, 'weak_tests')")
    assert "integrity/b" in inputs(stated)


def test_the_kinds_of_a_run_can_be_named(leaky: Home):
    runs, outcomes, findings = (
        Warehouse(leaky.warehouse).read(asset, "b")
        for asset in ("trajectories", "test_outcomes", "integrity")
    )
    arm = ArmSpec(name="x", integrity="keep", where="list_contains(leaks, 'reads_fix')")
    assert choose(arm, runs, outcomes, findings).frame["trajectory_id"].to_list() == ["good"]


def test_a_task_with_weak_tests_is_marked_and_its_runs_are_kept(leaky: Home, tmp_path):
    listed = tmp_path / "weak.txt"
    listed.write_text("# known to accept wrong patches\ntask-bad\n")
    stage = integrity_stage(str(listed))
    make_partition(stage, work_alone(stage, leaky, "b"))
    found = Warehouse(leaky.warehouse).read("integrity", "b").filter(kind="weak_tests")
    assert found.select("trajectory_id", "step_index", "taints").rows() == [("bad", None, False)]
    assert "bad" in rows(ArmSpec(name="sft"), leaky)


def outcome(run: str, task: str, status: str) -> dict[str, str]:
    return {"trajectory_id": run, "instance_id": task, "status": status}


OUTCOMES = pl.DataFrame(
    [
        *(outcome(f"easy{n}", "easy", "resolved") for n in range(3)),
        outcome("easy0", "easy", "unresolved"),  # the same run in a second batch
        outcome("mid0", "mid", "resolved"),
        outcome("mid1", "mid", "unresolved"),
        outcome("mid2", "mid", "infra_error"),
        outcome("odd", "odd", "unknown"),
    ],
    schema=TEST_OUTCOMES,
)


def test_the_solve_rate_is_over_the_graded_runs_of_a_task():
    assert dict(solve_rates(OUTCOMES).iter_rows()) == {"easy": 1.0, "mid": 0.5}


def test_an_arm_takes_tasks_by_their_solve_rate_over_all_batches(filled: Home):
    arm = ArmSpec(name="x", where="solve_rate BETWEEN 0.1 AND 0.9")
    more = [outcome("else", "task-good", "unresolved"), outcome("more", "task-bad", "unresolved")]
    here = Warehouse(filled.warehouse).read("test_outcomes", "b")
    known = here.with_columns(instance_id="task-" + pl.col("trajectory_id"))
    put(filled, "test_outcomes", known)
    put(filled, "test_outcomes", pl.DataFrame(more, schema=TEST_OUTCOMES), "other")
    put(filled, "trajectories", rows_of([run("else", ["look"])], "other"), "other")
    stage = masked_tokens_stage(arm)
    made, stamp = make_partition(stage, work_alone(stage, filled, "b"))
    assert list(trained(made)) == ["good"]
    assert {"test_outcomes/b", "test_outcomes/other"} <= set(stamp.recipe.inputs)


def test_what_is_quoted_of_a_run_is_made_visible():
    row = finding_row(
        "t", "i", Finding(0, Kind.READS_FIX, "upstream", "curl \x1b[31m\nx" + "y" * 999)
    )
    assert row["reason"].startswith("curl ␛[31m↵xy") and len(row["reason"]) == 300
    assert set(row) == set(INTEGRITY)


def test_a_bad_list_is_told_by_file_and_line(tmp_path, leaky: Home):
    listed = tmp_path / "weak.txt"
    listed.write_text("task-a\ntask b\n")
    stage = integrity_stage(str(listed))
    with pytest.raises(Exception, match=r"weak\.txt:2: state one instance id a line"):
        work_alone(stage, leaky, "b")
