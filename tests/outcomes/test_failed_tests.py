"""Which tests failed is kept, whoever graded."""

import orjson

from srft_assets.outcomes.reports import parse_report
from srft_assets.outcomes.results import tally
from srft_assets.outcomes.status import NAMED_TESTS, ReportedOutcome, Run, Status, as_outcome


def test_a_report_names_its_failures_of_both_kinds_in_order() -> None:
    tests = {
        "FAIL_TO_PASS": {"success": ["a"], "failure": ["b", "c"]},
        "PASS_TO_PASS": {"success": [], "failure": ["d"]},
    }
    report = {"x__y-1": {"resolved": False, "patch_exists": True, "tests_status": tests}}
    (found,) = parse_report(orjson.dumps(report), "report.json", {})
    assert found.status is Status.UNRESOLVED
    assert found.failed_tests == ("b", "c", "d")


def test_the_tests_that_were_run_here_name_theirs() -> None:
    counted = tally(["a", "b", "c"], [("a", "passed"), ("b", "failed")])
    assert counted.missing == ("b", "c")


def test_the_names_kept_of_a_run_are_bounded() -> None:
    run = Run("r", "x__y-1", None, "diff", "run.json", None, None)
    names = tuple(map(str, range(NAMED_TESTS + 5)))
    kept = as_outcome(run, ReportedOutcome("x__y-1", Status.UNRESOLVED, failed_tests=names))
    assert kept.failed_tests == names[:NAMED_TESTS]
