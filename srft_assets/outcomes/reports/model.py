"""What a report says of one instance."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.outcomes.model import Status


class BadReportError(SrftError):
    """A report that cannot be read, or that contradicts itself."""


class Detail(IntEnum):
    """How closely a report looked: of two that agree, the closer one is kept."""

    LISTED = 1
    """Named in a list of a whole run."""
    STATED = 2
    """A statement of its own, without tests."""
    TESTED = 3
    """With the result of each test."""


@dataclass(frozen=True, slots=True)
class ReportedOutcome:
    """One instance's outcome as a report states it.

    Attributes:
        instance_id: the task.
        status: never `unknown`.
        f2p_passed, f2p_total, p2p_passed, p2p_total: None where the report has no tests.
        detail: how closely it looked.
        source: the report's file.
        model: `model_name_or_path`, None where the report does not say.
        patch: the patch that was graded, None where the report does not hold it.
        grader_version: the report's schema.
        reason: why it failed, as far as the report says.
        log: output of the tests, cut.
        failed_tests: names of tests that did not pass.
    """

    instance_id: str
    status: Status
    source: str = ""
    detail: Detail = Detail.STATED
    f2p_passed: int | None = None
    f2p_total: int | None = None
    p2p_passed: int | None = None
    p2p_total: int | None = None
    model: str | None = None
    patch: str | None = None
    grader_version: str | None = None
    reason: str = ""
    log: str | None = None
    failed_tests: tuple[str, ...] = ()


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
