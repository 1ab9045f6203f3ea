"""What a file is for: runs, a grading report, predictions, or none of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from srft_assets.trajectories.formats import run_keys, why_no_run


class Role(StrEnum):
    """What ingest does with a file. Every file has exactly one."""

    RUNS = "runs"
    REPORT = "report"
    PREDICTIONS = "predictions"
    EVIDENCE = "evidence"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The role of a file, and why where it is refused.

    `instance_ids`: of a report, the instances it speaks of, if it names them.
    `flat`: a report of one instance that does not name it; its path does.
    """

    role: Role
    reason: str = ""
    instance_ids: tuple[str, ...] = ()
    flat: bool = False


GRADED_KEYS = frozenset(
    {"tests_status", "patch_is_None", "patch_exists", "patch_successfully_applied"}
)
SUMMARY_KEYS = frozenset(
    {"resolved_ids", "ids_resolved", "resolved_instances", "resolved_ids_list", "final_report"}
)
"""Run-level reports: SWE-bench schema 1 and 2, SWE-smith, and `final_report` wrappers."""
RUNS = Ruling(Role.RUNS)
PREDICTIONS = Ruling(Role.PREDICTIONS)
EVIDENCE = Ruling(Role.EVIDENCE)


def refused(reason: str) -> Ruling:
    """A refusal with its reason."""
    return Ruling(Role.REFUSED, reason)


def is_run(value: Any) -> bool:
    """Whether a JSON value looks like one run; whether it can be read is the reader's word."""
    if isinstance(value, dict):
        return any(isinstance(value.get(key), list | str) for key in run_keys())
    return is_conversation(value)


def is_conversation(value: Any) -> bool:
    """Whether a list is one run by itself: chat messages, or OpenHands events."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    first = value[0]
    return "role" in first or not first.keys().isdisjoint(("action", "observation"))


def is_prediction(value: Any) -> bool:
    """Whether a JSON value is one entry of a predictions file."""
    return isinstance(value, dict) and "model_patch" in value and not is_run(value)


def is_graded(value: Any) -> bool:
    """Whether a JSON value is the grading report of one instance."""
    return isinstance(value, dict) and not GRADED_KEYS.isdisjoint(value) and not is_run(value)


def rule_object(value: dict[str, Any]) -> Ruling:
    """Role of a file that holds one JSON object."""
    cells = list(value.values())
    if is_run(value):
        return RUNS
    if is_prediction(value) or (cells and all(is_prediction(cell) for cell in cells)):
        return PREDICTIONS
    if is_graded(value):
        own = value.get("instance_id")
        named = (own,) if isinstance(own, str) and own else ()
        return Ruling(Role.REPORT, instance_ids=named, flat=not named)
    if cells and all(is_graded(cell) for cell in cells):
        return Ruling(Role.REPORT, instance_ids=tuple(sorted(value)))
    if not SUMMARY_KEYS.isdisjoint(value) or isinstance(value.get("resolved"), list):
        return Ruling(Role.REPORT)
    return refused(why_no_run(value))


def rule_rows(rows: Sequence[Any]) -> Ruling:
    """Role of a file that holds many JSON values, by the first of them."""
    if any(is_run(row) for row in rows):
        return RUNS
    if any(is_prediction(row) for row in rows):
        return PREDICTIONS
    return refused(f"row 0 {why_no_run(rows[0])}".replace("row 0 the record", "row 0"))


def rule_columns(names: Sequence[str]) -> Ruling:
    """Role of a table, by its columns."""
    if run_keys() & set(names):
        return RUNS
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return refused(f"a table without messages, trajectory or history; its columns: {shown}")
