"""Rows that carry their own evaluation: predictions with one, and OpenHands' output lines.

`resolved` or `evaluation` (true, false, a word, or an object with `resolved`); or `report` /
`test_result.report` as OpenHands and SWE-Gym write it: {resolved, empty_generation,
failed_apply_patch, error_eval, test_timeout}.
"""

from typing import Any

from srft_assets.outcomes.model import Status
from srft_assets.outcomes.reports.instance import cut_log, grade_instance
from srft_assets.outcomes.reports.model import (
    BadReportError,
    ReportedOutcome,
    flag,
    text,
)

WORDS = {status.value: status for status in Status if status is not Status.UNKNOWN}
OPENHANDS = (
    ("empty_generation", Status.EMPTY_PATCH),
    ("failed_apply_patch", Status.PATCH_FAILED),
    ("test_timeout", Status.TIMEOUT),
    ("error_eval", Status.INFRA_ERROR),
)


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
    patch = text(row, "model_patch")
    common: dict[str, Any] = {
        "instance_id": instance_id,
        "model": text(row, "model_name_or_path"),
        "patch": text(result, "git_patch") if patch is None else patch,
        "log": cut_log(text(result, "test_output")),
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
