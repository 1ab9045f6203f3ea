"""The report of one instance: SWE-bench's report.json, flat (SWE-smith) or under its id.

Of SWE-bench (`harness/grading.py: get_eval_report`): `patch_successfully_applied` is false
wherever no test result could be parsed, which may be a patch that does not apply, a timeout, or
the machine; the log beside it tells which. SWE-smith never sets it: with tests in the report,
the flag says nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from srft_assets.outcomes.model import Status
from srft_assets.outcomes.reports.model import (
    BadReportError,
    Detail,
    ReportedOutcome,
    flag,
    names,
    text,
)

MARKERS = (
    (re.compile(r">>>>> Patch Apply Failed"), Status.PATCH_FAILED, "the patch did not apply"),
    (
        re.compile(r">>>>> Tests Timed Out|Timeout error: \d+ seconds exceeded"),
        Status.TIMEOUT,
        "the tests timed out",
    ),
    (
        re.compile(r">>>>> (?:Reset Failed|Tests Errored)"),
        Status.INFRA_ERROR,
        "the harness could not run the tests",
    ),
)
"""What SWE-bench's harness writes into its logs (`harness/constants`)."""
LOGS = ("test_output.txt", "run_instance.log")
MAX_LOG_CHARS = 16_000


def grade_instance(
    instance_id: str, report: dict[str, Any], beside: Mapping[str, str]
) -> ReportedOutcome:
    """The outcome of one instance's report; `beside`: file name → text of what lies beside it.

    Raises BadReportError where the report contradicts itself.
    """
    stated = flag(report, "resolved")
    if stated is None:
        raise BadReportError("the report does not say `resolved`")
    logs = "\n".join(beside[name] for name in LOGS if name in beside)
    common: dict[str, Any] = {
        "instance_id": instance_id,
        "model": text(report, "model_name_or_path"),
        "patch": beside.get("patch.diff"),
        "log": cut_log(beside.get("test_output.txt")),
    }
    if flag(report, "patch_is_None") or flag(report, "patch_exists") is False:
        if stated:
            raise BadReportError("the report says resolved, and that there is no patch")
        return ReportedOutcome(**common, status=Status.EMPTY_PATCH)
    if report.get("tests_status"):
        return _tested(report["tests_status"], stated, common)
    if stated:
        return ReportedOutcome(**common, status=Status.RESOLVED)
    return ReportedOutcome(**common, **_why_unresolved(report, logs))


def _tested(tests: Any, stated: bool, common: dict[str, Any]) -> ReportedOutcome:
    f2p, p2p = _counts(tests, "FAIL_TO_PASS"), _counts(tests, "PASS_TO_PASS")
    if f2p[1] + p2p[1] == 0:
        raise BadReportError("the report's tests_status names no tests")
    passes = f2p[0] == f2p[1] and p2p[0] == p2p[1]
    counted = f"{f2p[0]} of {f2p[1]} FAIL_TO_PASS and {p2p[0]} of {p2p[1]} PASS_TO_PASS passed"
    if passes != stated:
        says = "resolved" if stated else "not resolved"
        raise BadReportError(f"the report contradicts itself: {says}, but {counted}")
    return ReportedOutcome(
        **common,
        status=Status.RESOLVED if stated else Status.UNRESOLVED,
        detail=Detail.TESTED,
        f2p_passed=f2p[0],
        f2p_total=f2p[1],
        p2p_passed=p2p[0],
        p2p_total=p2p[1],
        reason="" if stated else counted,
        failed_tests=tuple(
            name
            for kind in ("FAIL_TO_PASS", "PASS_TO_PASS")
            for name in names(tests.get(kind, {}), "failure")
        ),
    )


def _counts(tests: Any, kind: str) -> tuple[int, int]:
    """Passed and all tests of a kind."""
    if not isinstance(tests, dict) or not isinstance(tests.get(kind, {}), dict):
        raise BadReportError(f"tests_status of {kind} is not an object")
    cells = tests.get(kind, {})
    passed, failed = names(cells, "success"), names(cells, "failure")
    if both := set(passed) & set(failed):
        raise BadReportError(f"the report contradicts itself: {min(both)} passed and failed")
    return len(passed), len(passed) + len(failed)


def _why_unresolved(report: dict[str, Any], logs: str) -> dict[str, Any]:
    if flag(report, "infra_failure"):
        cause = text(report, "infra_failure_reason") or "infrastructure failure"
        return {"status": Status.INFRA_ERROR, "reason": cause}
    for marker, status, reason in MARKERS:
        if marker.search(logs):
            return {"status": status, "reason": reason}
    if flag(report, "patch_successfully_applied") is False:
        return {"status": Status.PATCH_FAILED, "reason": "the report says it did not apply"}
    return {"status": Status.UNRESOLVED}


def cut_log(log: str | None) -> str | None:
    """Both ends of a long log."""
    if log is None or len(log) <= MAX_LOG_CHARS:
        return log
    half = MAX_LOG_CHARS // 2
    return f"{log[:half]}\n[... {len(log) - 2 * half} characters cut ...]\n{log[-half:]}"
