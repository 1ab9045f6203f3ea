"""Reports of one instance, and rows that carry their own evaluation.

- SWE-bench's report.json, flat (SWE-smith) or under its id. Of SWE-bench
  (`harness/grading.py: get_eval_report`): `patch_successfully_applied` is false wherever no test
  result could be parsed, which may be a patch that does not apply, a timeout, or the machine; the
  log beside it tells which. What a log lays on neither the patch nor a timeout is the machine's
  failure; without any log the report's word counts.
  SWE-smith never sets it: with tests in the report, the flag says nothing.
- Predictions with an evaluation, and OpenHands' output lines: `resolved` or `evaluation` (true,
  false, a word, or an object with `resolved`); or `report` / `test_result.report` as OpenHands and
  SWE-Gym write it: {resolved, empty_generation, failed_apply_patch, error_eval, test_timeout}.
- `TRIAL/result.json` of Harbor, beside the run in `TRIAL/agent/`: the verifier's reward is the
  outcome. Which run it is of, its folder says: the run's file names no task, and the result calls
  the task otherwise than the folder does.
"""

import re
from collections.abc import Mapping
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.outcomes.status import Detail, ReportedOutcome, Status, cut_log
from srft_assets.trajectories.turns import of_reward

SAID = r"^(?:[^\n]*\b(?:INFO|WARNING|ERROR) - )?"
"""What a line of a harness's log begins with; tests may print the same words further on."""
MARKERS = (
    (
        re.compile(rf"{SAID}>>>>> Patch Apply Failed", re.MULTILINE),
        Status.PATCH_FAILED,
        "the patch did not apply",
    ),
    (
        re.compile(
            rf"{SAID}>>>>> Tests Timed Out|Timeout error: \d+ seconds exceeded", re.MULTILINE
        ),
        Status.TIMEOUT,
        "the tests timed out",
    ),
    (
        re.compile(rf"{SAID}>>>>> (?:Reset Failed|Tests Errored)", re.MULTILINE),
        Status.INFRA_ERROR,
        "the harness could not run the tests",
    ),
)
"""What SWE-bench's harness writes into its logs (`harness/constants`)."""
APPLIED = ">>>>> Applied Patch"
NO_RESULTS = "the tests gave no results"
UNEXPLAINED = "the tests gave no results, and no log says that the patch did not apply"
RESULT = re.compile(r"\b(?:PASS|FAIL|PASSED|FAILED|ERROR|ok|passed|failed)\b")
"""Some word for the result of a test; whatever else, an output without any holds no results."""
LOGS = ("test_output.txt", "run_instance.log")
WORDS = {status.value: status for status in Status if status is not Status.UNKNOWN}
OPENHANDS = (
    ("empty_generation", Status.EMPTY_PATCH),
    ("failed_apply_patch", Status.PATCH_FAILED),
    ("test_timeout", Status.TIMEOUT),
    ("error_eval", Status.INFRA_ERROR),
)
REWARD = "reward"
"""The reward that counts where a verifier of Harbor's gives several."""


class BadReportError(SrftError):
    """A report that cannot be read, or that contradicts itself."""


def grade_instance(
    instance_id: str, report: dict[str, Any], beside: Mapping[str, str]
) -> ReportedOutcome:
    """The outcome of one instance's report; `beside`: file name → text of what lies beside it.

    Raises BadReportError where the report contradicts itself.
    """
    stated = flag(report, "resolved")
    if stated is None:
        raise BadReportError("the report does not say `resolved`")
    logs = [beside[name] for name in LOGS if name in beside]
    printed = beside.get("test_output.txt")
    common: dict[str, Any] = {
        "instance_id": instance_id,
        "model": text(report, "model_name_or_path"),
        "patch": beside.get("patch.diff"),
        "log": None if printed is None else cut_log(printed),
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


def _why_unresolved(report: dict[str, Any], beside: list[str]) -> dict[str, Any]:
    logs = "\n".join(beside)
    if flag(report, "infra_failure"):
        cause = text(report, "infra_failure_reason") or "infrastructure failure"
        return {"status": Status.INFRA_ERROR, "reason": cause}
    for marker, status, reason in MARKERS:
        if marker.search(logs):
            return {"status": status, "reason": reason}
    if flag(report, "patch_successfully_applied") is False and not beside:
        return {"status": Status.PATCH_FAILED, "reason": "the report says so, without a log"}
    if flag(report, "patch_successfully_applied") is False:
        why = NO_RESULTS if APPLIED in logs else UNEXPLAINED
        return {"status": Status.INFRA_ERROR, "reason": why}
    if APPLIED in logs and not RESULT.search(logs):
        return {"status": Status.INFRA_ERROR, "reason": NO_RESULTS}
    return {"status": Status.UNRESOLVED}


def grade_row(row: dict[str, Any], instance_id: str | None = None) -> ReportedOutcome | None:
    """The outcome a row states; None where it states none.

    Raises BadReportError where it names no instance or contradicts itself.
    """
    statement = _statement(row)
    if statement is None:
        return None
    instance_id = text(row, "instance_id") or instance_id
    if not instance_id:
        raise BadReportError("an evaluation without instance_id")
    result = row.get("test_result")
    result = result if isinstance(result, dict) else {}
    patch, printed = text(row, "model_patch"), text(result, "test_output")
    common: dict[str, Any] = {
        "instance_id": instance_id,
        "model": text(row, "model_name_or_path"),
        "patch": text(result, "git_patch") if patch is None else patch,
        "log": None if printed is None else cut_log(printed),
    }
    if isinstance(statement, dict) and "patch_successfully_applied" in statement:
        return grade_instance(instance_id, statement | {"model_name_or_path": common["model"]}, {})
    return ReportedOutcome(**common, status=_status(statement))


def _statement(row: dict[str, Any]) -> Any:
    """The cell that holds the evaluation."""
    result = row.get("test_result")
    nested = result.get("report") if isinstance(result, dict) else None
    for value in (nested, row.get("report"), row.get("evaluation"), row.get("resolved")):
        if value is not None and value != {}:
            return value
    return None


def _status(statement: Any) -> Status:
    if isinstance(statement, bool):
        return Status.RESOLVED if statement else Status.UNRESOLVED
    if isinstance(statement, str) and statement.lower() in WORDS:
        return WORDS[statement.lower()]
    if not isinstance(statement, dict):
        raise BadReportError(f"an evaluation that says neither true nor false: {statement!r:.60}")
    resolved = flag(statement, "resolved")
    causes = [(key, status) for key, status in OPENHANDS if flag(statement, key)]
    if resolved and causes:
        raise BadReportError(f"the report contradicts itself: resolved, and {causes[0][0]}")
    if causes:
        return causes[0][1]
    if resolved is None:
        raise BadReportError("the evaluation does not say `resolved`")
    return Status.RESOLVED if resolved else Status.UNRESOLVED


def flag(report: dict[str, Any], key: str) -> bool | None:
    """A cell that is true, false or absent. Raises BadReportError for anything else."""
    value = report.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadReportError(f"{key} is {type(value).__name__}, expected true or false")
    return value


def text(report: dict[str, Any], key: str) -> str | None:
    """A cell that is a string or absent. Raises BadReportError for anything else."""
    value = report.get(key)
    if value is not None and not isinstance(value, str):
        raise BadReportError(f"{key} is {type(value).__name__}, expected a string")
    return value


def names(report: dict[str, Any], key: str) -> list[str]:
    """A cell that is a list of strings, or absent. Raises BadReportError for anything else."""
    value = report.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise BadReportError(f"{key} is not a list of names")
    return value


def grade_trial(result: dict[str, Any]) -> ReportedOutcome:
    """The outcome of a trial. Raises BadReportError where it states neither reward nor exception,
    and for a reward between 0 and 1. One that ended before its verifier is the machine's failure.
    """
    task = text(result, "task_name") or text(result, "trial_name") or ""
    verified = result.get("verifier_result")
    rewards = verified.get("rewards") if isinstance(verified, dict) else None
    rewards = rewards if isinstance(rewards, dict) else {}
    value = rewards.get(REWARD, next(iter(rewards.values()), None) if len(rewards) == 1 else None)
    if isinstance(value, int | float):
        passed = of_reward(value)
        if passed is None:
            raise BadReportError(f"a reward of {value:g} says neither that it passed nor that not")
        status = Status.RESOLVED if passed else Status.UNRESOLVED
        return ReportedOutcome(task, status, detail=Detail.STATED, beside=True)
    ended = result.get("exception_info")
    if not isinstance(ended, dict):
        raise BadReportError("a trial's result without a reward: it was not verified")
    kind = str(ended.get("exception_type"))[:80]
    return ReportedOutcome(task, Status.INFRA_ERROR, reason=kind, beside=True)
