"""Reports of a whole run as lists of ids.

- SWE-bench schema 1 and 2: `resolved_ids`, `unresolved_ids`, … with their counts as
  `resolved_instances`, …; schema 2 adds `infra_failure_ids` and `ambiguous_failure_ids`, which stay
  in `unresolved_ids` or `error_ids` too, and `failure_reasons`.
- SWE-smith: `ids_resolved`, `ids_unresolved`, with counts as `resolved` and `unresolved`.
- `results.json` of SWE-agent 0.x and of SWE-bench's first harness: lists by stage, and an instance
  is in every list that holds for it. Keys: no_generation, generated, with_logs, no_logs,
  install_fail, reset_failed, no_apply, applied, test_errored, test_timeout, resolved.
"""

from collections.abc import Iterator
from typing import Any

from srft_assets.outcomes.reports.instance import BadReportError, names
from srft_assets.outcomes.status import OTHERS, Detail, ReportedOutcome, Status

EXCLUSIVE = {
    "resolved_ids": Status.RESOLVED,
    "unresolved_ids": Status.UNRESOLVED,
    "empty_patch_ids": Status.EMPTY_PATCH,
    "error_ids": Status.INFRA_ERROR,
}
"""An instance is in one of these at most."""
TIMED_OUT = "tests_timed_out"
UNEXPLAINED = "the harness ended in an error; the report does not say whose"
CAUSES = (
    ("resolved", Status.RESOLVED),
    ("no_generation", Status.EMPTY_PATCH),
    ("no_apply", Status.PATCH_FAILED),
    ("test_timeout", Status.TIMEOUT),
    ("install_fail", Status.INFRA_ERROR),
    ("reset_failed", Status.INFRA_ERROR),
    ("test_errored", Status.INFRA_ERROR),
    ("no_logs", Status.INFRA_ERROR),
)
"""The first list an instance is in decides."""
GRADED = ("applied", "with_logs", "generated", "unresolved")
"""Who is in one of these, and in no list above, failed its tests."""
OTHER_LISTS = frozenset(
    {"unresolved_ids", "empty_patch_ids", "error_ids", "completed_ids", "submitted_ids"}
)
LEADERBOARD = frozenset({"no_generation", "no_logs", "resolved"})


def is_run_report(value: Any) -> bool:
    """Whether a JSON value is such a report."""
    if not isinstance(value, dict):
        return False
    mixed = isinstance(value.get("resolved"), list) and not OTHER_LISTS.isdisjoint(value)
    return mixed or bool({"resolved_ids", "ids_resolved"} & value.keys())


def grade_run(report: dict[str, Any]) -> Iterator[ReportedOutcome]:
    """One outcome for each id that was graded. Raises BadReportError for contradictions."""
    if "ids_resolved" in report:
        report = _as_swebench(report)
    elif "resolved_ids" not in report:
        report = {**report, "resolved_ids": report["resolved"]}
    if "unresolved_ids" not in report:
        listed = {name for key in EXCLUSIVE for name in names(report, key)}
        rest = [name for name in names(report, "completed_ids") if name not in listed]
        report = {**report, "unresolved_ids": rest}
    lists = {key: names(report, key) for key in EXCLUSIVE}
    _check_counts(report, lists)
    infra = set(names(report, "infra_failure_ids"))
    failed = {*lists["unresolved_ids"], *lists["error_ids"]}
    if stray := infra - failed:
        raise BadReportError(f"{min(stray)} failed for its machine, yet is not among the failed")
    reasons = report.get("failure_reasons")
    for key, status in EXCLUSIVE.items():
        for instance_id in lists[key]:
            reason = reasons.get(instance_id, "") if isinstance(reasons, dict) else ""
            if status is Status.INFRA_ERROR and not reason:
                reason = UNEXPLAINED
            yield ReportedOutcome(
                instance_id,
                _refined(status, instance_id in infra, reason),
                detail=Detail.LISTED,
                grader_version=_version(report),
                reason=str(reason),
            )


def _refined(status: Status, infra: bool, reason: str) -> Status:
    if infra:
        return Status.INFRA_ERROR
    failed = status in (Status.UNRESOLVED, Status.INFRA_ERROR)
    return Status.TIMEOUT if failed and reason == TIMED_OUT else status


def _as_swebench(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "resolved_ids": report["ids_resolved"],
        "unresolved_ids": report.get("ids_unresolved"),
        "resolved_instances": report.get("resolved"),
        "unresolved_instances": report.get("unresolved"),
    }


def _check_counts(report: dict[str, Any], lists: dict[str, list[str]]) -> None:
    seen: dict[str, str] = {}
    for key, ids in lists.items():
        for instance_id in ids:
            if instance_id in seen:
                where = f"twice in {key}" if seen[instance_id] == key else f"in {seen[instance_id]}"
                raise BadReportError(
                    f"the report contradicts itself: {instance_id} is {where} and in {key}"
                )
            seen[instance_id] = key
        count = report.get(key.replace("_ids", "_instances"))
        if key in report and isinstance(count, int) and count != len(ids):
            raise BadReportError(
                f"the report contradicts itself: {count} {key.removesuffix('_ids')} instances, "
                f"but {len(ids)} ids"
            )


def _version(report: dict[str, Any]) -> str | None:
    version = report.get("schema_version")
    return None if version is None else f"schema {version}"


def is_list_report(value: Any) -> bool:
    """Whether a JSON value is such a report."""
    return isinstance(value, dict) and isinstance(value.get("resolved"), list)


def grade_lists(report: dict[str, Any]) -> Iterator[ReportedOutcome]:
    """One outcome for each id in any list. Raises BadReportError for contradictions."""
    seen: dict[str, str] = {}
    for key, status in CAUSES:
        for instance_id in names(report, key):
            if seen.get(instance_id) == "resolved" and key != "resolved":
                raise BadReportError(
                    f"the report contradicts itself: {instance_id} is in resolved and in {key}"
                )
            if instance_id in seen:
                continue
            seen[instance_id] = key
            reason = "" if status is Status.RESOLVED else key
            yield ReportedOutcome(instance_id, status, detail=Detail.LISTED, reason=reason)
    logged = {*names(report, "with_logs"), *names(report, "applied")}
    for key in GRADED:
        for instance_id in names(report, key):
            if instance_id in seen:
                continue
            seen[instance_id] = key
            if logged and instance_id not in logged and key == "generated":
                yield ReportedOutcome(
                    instance_id, Status.INFRA_ERROR, detail=Detail.LISTED, reason="no logs"
                )
            else:
                yield ReportedOutcome(instance_id, Status.UNRESOLVED, detail=Detail.LISTED)
    stated = report.get("stats")
    stats = stated if isinstance(stated, dict) else {}
    graded = stats.get("with_logs")
    counted = isinstance(graded, int) and graded == stats.get("generated")
    if counted or (report.keys() >= LEADERBOARD and report.keys().isdisjoint(GRADED)):
        yield ReportedOutcome(
            OTHERS,
            Status.UNRESOLVED,
            detail=Detail.LISTED,
            reason="graded, and not among the resolved",
            patches=graded if counted else None,
        )
