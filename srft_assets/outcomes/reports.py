"""Reports of any known kind, told apart by what is in them; those of one instance are read by
`instance_reports.py`, those of a whole run, lists of ids, here:

- SWE-bench schema 1 and 2: `resolved_ids`, `unresolved_ids`, … with their counts as
  `resolved_instances`, …; schema 2 adds `infra_failure_ids` and `ambiguous_failure_ids`, which stay
  in `unresolved_ids` or `error_ids` too, and `failure_reasons`.
- SWE-smith: `ids_resolved`, `ids_unresolved`, with counts as `resolved` and `unresolved`.
- `results.json` of SWE-agent 0.x and of SWE-bench's first harness: lists by stage, and an instance
  is in every list that holds for it. Keys: no_generation, generated, with_logs, no_logs,
  install_fail, reset_failed, no_apply, applied, test_errored, test_timeout, resolved.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from srft_assets.errors import Refusal, excerpt_of
from srft_assets.outcomes.instance_reports import (
    BadReportError,
    grade_instance,
    grade_row,
    grade_trial,
    names,
    text,
)
from srft_assets.outcomes.status import OTHERS, Detail, ReportedOutcome, Status
from srft_assets.trajectories.discover import is_trial, is_verdicts
from srft_assets.trajectories.sources import instance_of

INSTANCE_KEYS = frozenset({"tests_status", "patch_is_None", "patch_exists"})
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_report(
    data: bytes, source: str, beside: Mapping[str, str] | None = None
) -> Iterator[ReportedOutcome | Refusal]:
    """Outcomes of one report; `beside`: file name → text of what lies beside it.

    The path `source` names the instance of a flat report: the folder of
    `<instance_id>/report.json`, or the file of `<instance_id>.report.json`. A report, or a row of
    one, that cannot be read or contradicts itself comes as a Refusal.
    """
    data = data.removeprefix(BYTE_ORDER_MARK)
    if not data.strip():
        yield Refusal(source, "empty file")
        return
    rows = _rows(data)
    if rows is None:
        yield Refusal(source, "not JSON, or torn", excerpt=excerpt_of(data))
        return
    flat = instance_of(source) if len(rows) == 1 else None
    for number, (name, value) in enumerate(rows):
        row = number if len(rows) > 1 else None
        try:
            # Read to its end before any of it counts: a contradiction may come last.
            outcomes = list(_grade(name, flat, value, beside or {}))
        except BadReportError as error:
            yield Refusal(source, str(error), row=row, subject=name)
            continue
        yield from (replace(outcome, source=source) for outcome in outcomes)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A patch as a predictions file names it; empty where there is none."""

    instance_id: str
    model: str | None
    patch: str


def read_predictions(data: bytes) -> list[Prediction]:
    """The patches that a file names; what is no prediction is passed over."""
    found = []
    for name, value in _rows(data.removeprefix(BYTE_ORDER_MARK)) or ():
        if not isinstance(value, dict) or "model_patch" not in value:
            continue
        cells = value.get("instance_id") or name, value.get("model_name_or_path")
        instance, model = (cell if isinstance(cell, str) else None for cell in cells)
        patch = value["model_patch"] or ""
        if instance and isinstance(patch, str):
            found.append(Prediction(instance, model, patch))
    return found


def _rows(data: bytes) -> list[tuple[str | None, Any]] | None:
    """(instance id where the report names it, value) for every statement; None if unreadable."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return [(None, orjson.loads(line)) for line in data.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            return None
    if isinstance(value, list):
        return [(None, row) for row in value]
    while isinstance(value, dict) and isinstance(value.get("final_report"), dict):
        value = value["final_report"]
    if isinstance(value, dict) and isinstance(value.get("final_report"), list):
        return [(None, {"resolved": value["final_report"]})]
    if _is_one(value):
        return [(None, value)]
    return [(str(name), cell) for name, cell in value.items()]


def _is_one(value: Any) -> bool:
    """Whether this is one report, not an object of reports by instance."""
    if not isinstance(value, dict) or not value:
        return True
    whole = is_run_report(value) or is_list_report(value) or bool(INSTANCE_KEYS & value.keys())
    cells = value.values()
    return whole or not (is_verdicts(value) or all(isinstance(cell, dict) for cell in cells))


def _grade(
    key: str | None, place: str | None, value: Any, beside: Mapping[str, str]
) -> Iterator[ReportedOutcome]:
    """What one statement says. `key` is the instance that it stands under, `place` the one that
    its file's place names, where the statement itself names none.
    """
    if isinstance(value, bool) and key:
        value = {"instance_id": key, "resolved": value}
    if not isinstance(value, dict):
        raise BadReportError(f"not a report: a {type(value).__name__}")
    if is_trial(value):
        yield grade_trial(value)
    elif is_run_report(value):
        yield from grade_run(value)
    elif is_list_report(value):
        yield from grade_lists(value)
    elif INSTANCE_KEYS & value.keys():
        if (named := key or text(value, "instance_id") or place) is None:
            raise BadReportError("a grading without instance_id")
        yield grade_instance(named, value, beside)
    elif (outcome := grade_row(value, key or place)) is not None:
        yield outcome
    elif "model_patch" not in value:
        keys = ", ".join(str(key)[:40] for key in list(value)[:6])
        raise BadReportError(f"not a grading report: an object of {{{keys}}}")


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
    reasons, version = report.get("failure_reasons"), report.get("schema_version")
    for key, status in EXCLUSIVE.items():
        for instance_id in lists[key]:
            reason = reasons.get(instance_id, "") if isinstance(reasons, dict) else ""
            if status is Status.INFRA_ERROR and not reason:
                reason = UNEXPLAINED
            told = status
            if instance_id in infra:
                told = Status.INFRA_ERROR
            elif instance_id in failed and reason == TIMED_OUT:
                told = Status.TIMEOUT
            yield ReportedOutcome(
                instance_id,
                told,
                detail=Detail.LISTED,
                grader_version=None if version is None else f"schema {version}",
                reason=str(reason),
            )


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


def is_list_report(value: Any) -> bool:
    """Whether a JSON value is such a report."""
    return isinstance(value, dict) and isinstance(value.get("resolved"), list)


def grade_lists(report: dict[str, Any]) -> Iterator[ReportedOutcome]:
    """One outcome for each id in any list. Raises BadReportError for contradictions."""
    seen: dict[str, str] = {}
    logged = {*names(report, "with_logs"), *names(report, "applied")}
    for key, status in (*CAUSES, *((key, Status.UNRESOLVED) for key in GRADED)):
        plain = status in (Status.RESOLVED, Status.UNRESOLVED)
        for instance_id in names(report, key):
            if seen.get(instance_id) == "resolved" and not plain:
                raise BadReportError(
                    f"the report contradicts itself: {instance_id} is in resolved and in {key}"
                )
            if instance_id in seen:
                continue
            seen[instance_id] = key
            told, reason = status, "" if plain else key
            if logged and instance_id not in logged and key == "generated":
                told, reason = Status.INFRA_ERROR, "no logs"
            yield ReportedOutcome(instance_id, told, detail=Detail.LISTED, reason=reason)
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
