"""Which run a report speaks of."""

import json
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.outcomes.matching import Matched, match, same_model
from srft_assets.outcomes.status import (
    Detail,
    ReportedOutcome,
    Run,
    Status,
    as_outcome,
    source_outcome,
)
from srft_assets.warehouse.partitions import Warehouse
from tests.outcomes.conftest import Ingest


def run(name: str, submission: str | None = "+fix", **cells: object) -> Run:
    defaults = {"model": None, "source": f"{name}.traj", "source_row": 0, "source_resolved": None}
    return Run(name, "task-1", submission=submission, **{**defaults, **cells})  # type: ignore[arg-type]


def said(status: Status = Status.RESOLVED, **cells: object) -> ReportedOutcome:
    return ReportedOutcome("task-1", status, **{"source": "logs/report.json", **cells})  # type: ignore[arg-type]


def whose(runs: list[Run], *outcomes: ReportedOutcome) -> tuple[dict[str, str], list[str]]:
    matched: Matched = match(runs, outcomes)
    found = {name: outcome.status.value for name, outcome in matched.outcomes.items()}
    return found, [refusal.reason for refusal in matched.refused]


def test_one_run_one_report() -> None:
    assert whose([run("a")], said()) == ({"a": "resolved"}, [])


def test_reports_of_other_instances_are_counted_not_refused() -> None:
    matched = match([run("a")], [ReportedOutcome("task-2", Status.RESOLVED)])
    assert (matched.outcomes, matched.refused, matched.strangers) == ({}, [], 1)


def test_several_runs_and_a_report_that_does_not_say_which() -> None:
    found, refused = whose([run("a", "+1"), run("b", "+2")], said())
    assert found == {} and "several runs, and does not say which" in refused[0]


def test_the_graded_patch_tells_which() -> None:
    runs = [run("a", "+1\n"), run("b", "+2"), run("c", None)]
    assert whose(runs, said(patch="+1\r\n")) == ({"a": "resolved"}, [])


def test_the_graded_patch_must_be_the_submitted_one() -> None:
    found, refused = whose([run("a", "+1")], said(patch="+2"))
    assert found == {} and "graded another patch" in refused[0]
    blanks = whose([run("a", "+1 ")], said(patch="+1"))
    assert blanks[0] == {}, "blanks at the end of a line are part of a patch"


def test_a_run_without_stated_submission_cannot_be_compared() -> None:
    assert whose([run("a", None)], said(patch="+2"))[0] == {"a": "resolved"}


def test_the_model_tells_which() -> None:
    runs = [run("a", "+1", model="org/m-1"), run("b", "+2", model="org/m-2")]
    assert whose(runs, said(model="org__m-2"))[0] == {"b": "resolved"}


def test_a_run_that_states_the_report_s_model_has_no_rival_in_one_that_states_none() -> None:
    runs = [run("a", model="m-1", source="runs/a.traj"), run("b", None, source="rows.jsonl")]
    assert whose(runs, said(model="m-1")) == ({"a": "resolved"}, [])


def test_the_folder_tells_which() -> None:
    runs = [run("a", "+1", source="x/a.traj"), run("b", "+2", source="y/b.traj")]
    assert whose(runs, said(source="y/report.json"))[0] == {"b": "resolved"}


def test_of_two_scaffolds_under_one_root_the_nearer_run_is_meant() -> None:
    """The layouts of real ingests: runs and reports in folders beside each other, by scaffold."""
    mini = run("mini", "+1", source="mini-swe-agent-v1/trajs/task-1.traj.json")
    hands = run("hands", "+2", source="openhands-v0.15/completions/task-1.json")
    smith = run("smith", "+3", source="swe-smith/logs/trajectories/task-1/task-1.traj")
    reports = [
        said(source="mini-swe-agent-v1/logs/task-1/report.json"),
        said(Status.UNRESOLVED, source="openhands-v0.15/reports/task-1.report.json"),
        said(Status.TIMEOUT, source="swe-smith/logs/run_evaluation/task-1/report.json"),
    ]
    expected = {"mini": "resolved", "hands": "unresolved", "smith": "timeout"}
    assert whose([mini, hands, smith], *reports) == (expected, [])


def test_two_real_scaffolds_under_one_root(shared: Path, home: Home, outcomes_of: Ingest) -> None:
    """Six tasks were run by both; each run has the outcome that its own folder's reports state."""
    mini, hands = (shared / "trajectories" / n for n in ("mini-swe-agent-v1", "openhands-v0.15"))
    made = outcomes_of(mini, hands)
    assert made.refused == []
    runs = Warehouse(home.warehouse).read("trajectories", "batch")
    rows = made.frame.join(runs.select("trajectory_id", "source"), on="trajectory_id")
    told: dict[str, dict[str, str]] = {mini.name: {}, hands.name: {}}
    for instance, status, source in rows.select("instance_id", "status", "source").iter_rows():
        told[source.partition("/")[0]][instance] = status
    assert len(told[mini.name].keys() & told[hands.name].keys()) == 6
    graded = {
        row["instance_id"]: "resolved" if row["resolved"] else "unresolved"
        for row in json.loads((mini / "manifest.json").read_text())
    }
    assert told[mini.name] == graded
    for instance, status in told[hands.name].items():
        report = hands / "reports" / f"{instance}.report.json"
        if report.exists():
            resolved = json.loads(report.read_text())[instance]["resolved"]
            assert status == ("resolved" if resolved else "unresolved"), instance
        else:
            assert (instance, status) == ("django__django-11265", "unknown")


def test_equally_near_runs_stay_ambiguous() -> None:
    runs = [run("a", "+1", source="runs/x/a.traj"), run("b", "+2", source="runs/y/b.traj")]
    found, refused = whose(runs, said(source="logs/x/report.json"))
    assert found == {} and "does not say which" in refused[0]


def test_a_folder_is_shared_by_its_whole_name() -> None:
    runs = [run("a", "+1", source="run-1/a.traj"), run("b", "+2", source="run-10/b.traj")]
    assert whose(runs, said(source="run-10/logs/report.json"))[0] == {"b": "resolved"}


def test_beside_the_run_is_nearer_than_above_it() -> None:
    runs = [run("a", "+1", source="x/a.traj"), run("b", "+2", source="x/again/b.traj")]
    assert whose(runs, said(source="x/report.json"))[0] == {"a": "resolved"}


def test_another_model_in_the_folder_of_a_run_is_not_its_own() -> None:
    runs = [
        run("a", "+1", model="m-1", source="x/a.traj"),
        run("b", "+2", model="m-2", source="y/b.traj"),
    ]
    found, refused = whose(runs, said(source="y/report.json", model="m-1"))
    assert found == {} and "another folder" in refused[0]


def test_folders_of_other_names_may_be_other_experiments() -> None:
    one = run("a", source="run-1/a.traj", model="m-1")
    assert whose([one], said(source="run-2/report.json"))[0] == {}
    assert whose([one], said(source="run-2/report.json", model="m-1"))[0] == {"a": "resolved"}
    assert whose([one], said(source="run-1/evaluation/report.json"))[0] == {"a": "resolved"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("google/gemini-3-pro", "gemini-3-pro", True),
        ("litellm_proxy/anthropic.claude-3-5-sonnet-v2:0", "claude-3-5-sonnet", True),
        ("claude-3-7-sonnet-20250219", "config__claude-3.7__t-0.00__c-2.00", True),
        ("gpt4__lite__t-0.00__c-2.00", "gpt4__full__t-0.00__c-2.00", False),
        ("openai/o1", "openai/o3", False),
        ("gpt-4", "gpt-4o", False),
    ],
)
def test_names_of_one_model(one: str, other: str, same: bool) -> None:
    assert same_model(one, other) is same_model(other, one) is same


def test_of_two_reports_of_a_run_the_nearer_counts() -> None:
    """The farther may be of a run of the same task in another batch."""
    one = run("a", source="mini/trajs/a.traj")
    near = said(Status.UNRESOLVED, source="mini/logs/task-1/report.json")
    far = said(source="openhands/reports/task-1.report.json", detail=Detail.TESTED)
    found, refused = whose([one], near, far)
    assert found == {"a": "unresolved"}
    assert len(refused) == 1 and "lies in another folder" in refused[0]


def test_a_farther_report_that_agrees_may_look_closer() -> None:
    one = run("a", source="runs/exp/a.traj")
    listed = said(source="runs/exp/results.json", detail=Detail.LISTED)
    tested = said(source="logs/exp/report.json", detail=Detail.TESTED, f2p_total=1, f2p_passed=1)
    assert match([one], [listed, tested]).outcomes["a"] is tested
    elsewhere = said(source="logs/other/report.json", detail=Detail.TESTED)
    beside = said(source="runs/exp/report.json", detail=Detail.TESTED)
    assert match([one], [elsewhere, beside]).outcomes["a"] is beside


def test_equally_near_reports_that_contradict_are_refused_whatever_is_farther() -> None:
    one = run("a", source="x/a.traj")
    here = said(source="x/1.json"), said(Status.UNRESOLVED, source="x/2.json")
    found, refused = whose([one], *here, said(source="y/3.json"))
    assert found == {} and len(refused) == 3


def test_equal_submissions_share_an_outcome() -> None:
    assert whose([run("a"), run("b")], said())[0] == {"a": "resolved", "b": "resolved"}


def test_nothing_submitted_cannot_have_resolved() -> None:
    found, refused = whose([run("a", "")], said())
    assert found == {} and refused
    assert whose([run("a", "")], said(Status.EMPTY_PATCH))[0] == {"a": "empty_patch"}
    assert whose([run("a", "+1")], said(Status.EMPTY_PATCH))[0] == {}


def test_the_closer_look_counts() -> None:
    listed = said(Status.UNRESOLVED, detail=Detail.LISTED)
    tested = said(Status.TIMEOUT, detail=Detail.STATED)
    assert whose([run("a")], listed, tested)[0] == {"a": "timeout"}


def test_a_contradiction_refuses_the_less_detailed() -> None:
    listed = said(Status.UNRESOLVED, detail=Detail.LISTED, source="run.json")
    tested = said(detail=Detail.TESTED)
    found, refused = whose([run("a")], listed, tested)
    assert found == {"a": "resolved"}
    assert refused == ["says unresolved, but logs/report.json says resolved"]


def test_equals_that_contradict_are_both_refused() -> None:
    found, refused = whose([run("a")], said(), said(Status.UNRESOLVED, source="other.json"))
    assert found == {} and len(refused) == 2


def test_a_failure_of_the_machine_gives_way_to_a_grading() -> None:
    broken = said(Status.INFRA_ERROR, detail=Detail.TESTED)
    assert whose([run("a")], broken, said(detail=Detail.LISTED)) == ({"a": "resolved"}, [])


def status_of(one: Run) -> tuple[str, str]:
    stated = source_outcome(one)
    return stated.status.value, stated.grader


def test_what_the_source_says() -> None:
    assert status_of(run("a", source_resolved=True)) == ("resolved", "source")
    assert status_of(run("a", source_resolved=False)) == ("unresolved", "source")
    assert status_of(run("a", " \n", source_resolved=False)) == ("empty_patch", "source")
    assert status_of(run("a", "")) == ("empty_patch", "source")
    assert status_of(run("a", None)) == ("unknown", "none")
    assert status_of(run("a")) == ("unknown", "none")


def test_a_stated_outcome_counts_more_than_a_missing_patch() -> None:
    stated = source_outcome(run("a", "", source_resolved=True))
    assert (stated.status, stated.reason) == (Status.RESOLVED, "the source holds no patch")


def test_a_report_overrules_the_source_and_says_so() -> None:
    outcome = as_outcome(run("a", source_resolved=True), said(Status.UNRESOLVED, reason="0 of 1"))
    assert outcome.status is Status.UNRESOLVED
    assert outcome.reason == "0 of 1; the run itself says resolved"
    assert as_outcome(run("a", source_resolved=True), said()).reason == ""
