"""Lists of ids by stage: `results.json` of SWE-agent 0.x and of SWE-bench's first harness.

Keys: no_generation, generated, with_logs, no_logs, install_fail, reset_failed, no_apply, applied,
test_errored, test_timeout, resolved. Each is a list of instance ids, and an instance is in every
list that holds for it.
"""

from collections.abc import Iterator
from typing import Any

from srft_assets.outcomes.model import Status
from srft_assets.outcomes.reports.model import (
    BadReportError,
    Detail,
    ReportedOutcome,
    names,
)

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
