"""Which run a report speaks of."""

from collections.abc import Iterable

from srft_assets.outcomes.imported import as_outcome, source_outcome
from srft_assets.outcomes.matching import Matched, Run, match
from srft_assets.outcomes.model import Status
from srft_assets.outcomes.reports import ReportedOutcome
from srft_assets.outcomes.reports.model import Detail


def run(name: str, submission: str | None = "+fix", **cells: object) -> Run:
    defaults = {"model": None, "source": f"{name}.traj", "source_row": 0, "source_resolved": None}
    return Run(name, "task-1", submission=submission, **{**defaults, **cells})  # type: ignore[arg-type]


def said(status: Status = Status.RESOLVED, **cells: object) -> ReportedOutcome:
    return ReportedOutcome("task-1", status, **{"source": "r/report.json", **cells})  # type: ignore[arg-type]


def whose(runs: Iterable[Run], *outcomes: ReportedOutcome) -> tuple[dict[str, str], list[str]]:
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
    assert found == {} and "has 2 runs, and does not say which" in refused[0]


def test_the_graded_patch_tells_which() -> None:
    runs = [run("a", "+1\n"), run("b", "+2"), run("c", None)]
    assert whose(runs, said(patch="+1 \r\n")) == ({"a": "resolved"}, [])


def test_the_graded_patch_must_be_the_submitted_one() -> None:
    found, refused = whose([run("a", "+1")], said(patch="+2"))
    assert found == {} and "graded another patch" in refused[0]


def test_a_run_without_stated_submission_cannot_be_compared() -> None:
    assert whose([run("a", None)], said(patch="+2"))[0] == {"a": "resolved"}


def test_the_model_tells_which() -> None:
    runs = [run("a", "+1", model="org/m-1"), run("b", "+2", model="org/m-2")]
    assert whose(runs, said(model="org__m-2"))[0] == {"b": "resolved"}


def test_the_folder_tells_which() -> None:
    runs = [run("a", "+1", source="x/a.traj"), run("b", "+2", source="y/b.traj")]
    assert whose(runs, said(source="y/report.json"))[0] == {"b": "resolved"}


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
    assert refused == ["says unresolved, but r/report.json says resolved"]


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
