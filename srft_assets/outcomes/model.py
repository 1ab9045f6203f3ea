"""What the tests said of a patch."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl


class Status(StrEnum):
    """Outcome of grading one patch.

    `infra_error` is the grader's own failure and never counts as the model's.
    `unknown` means that nobody graded the run.
    """

    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"
    EMPTY_PATCH = "empty_patch"
    PATCH_FAILED = "patch_failed"
    TIMEOUT = "timeout"
    INFRA_ERROR = "infra_error"
    UNKNOWN = "unknown"


FAILED = frozenset({Status.UNRESOLVED, Status.EMPTY_PATCH, Status.PATCH_FAILED, Status.TIMEOUT})
"""Statuses that are the model's own failure."""


NAMED_TESTS = 100
SDIST_GRADER = "srft-sdist"
"""SWE-bench instances graded here without their Docker images, by the package srft-sdists."""


def is_approximate(grader: str) -> bool:
    """Whether outcomes of this grader only come close to the official ones."""
    return grader == SDIST_GRADER


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """Outcome of one run. Test counts are None where the source gives none.

    `failed_tests` names FAIL_TO_PASS and PASS_TO_PASS tests that did not pass, at most
    `NAMED_TESTS` of them, in the grader's order.
    """

    __test__ = False

    trajectory_id: str
    instance_id: str
    status: Status
    f2p_passed: int | None = None
    f2p_total: int | None = None
    p2p_passed: int | None = None
    p2p_total: int | None = None
    grader: str = "none"
    grader_version: str | None = None
    reason: str = ""
    log: str | None = None
    failed_tests: tuple[str, ...] = ()


_COLUMNS: dict[str, Any] = {
    "trajectory_id": pl.String,
    "instance_id": pl.String,
    "status": pl.String,
    "f2p_passed": pl.Int32,
    "f2p_total": pl.Int32,
    "p2p_passed": pl.Int32,
    "p2p_total": pl.Int32,
    "grader": pl.String,
    "grader_version": pl.String,
    "reason": pl.String,
    "log": pl.String,
    "failed_tests": pl.List(pl.String),
}

TEST_OUTCOMES = pl.Schema(_COLUMNS)
"""The asset `test_outcomes`: one row a run."""
