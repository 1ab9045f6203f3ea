"""What an outcome is: of one run, and of one instance as a report states it."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any

import polars as pl

NAMED_TESTS = 100
MAX_LOG_CHARS = 16_000
NOBODY = "none"
"""As grader: no report and no grader told it; with `infra_error`, the run itself crashed."""
SDIST_GRADER = "srft-sdist"
"""SWE-bench instances graded here without their Docker images, by the package srft-sdists."""


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
    grader: str = NOBODY
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


MODEL_ENDS = frozenset(
    {"FormatError", "RepeatedFormatError", "FunctionCallValidationError", "AgentStuckInLoopError"}
    | {"ContextWindowExceededError", "LLMContextWindowExceedError"}
    | {"BudgetExceededError", "InstanceCostLimitExceededError"}
)
"""Ends of the model's own making, or by a limit, that are named like a program's error."""
LIMIT = "Agent reached maximum"
"""OpenHands ends a run of too many turns by `RuntimeError: Agent reached maximum iteration …`."""
CRASHES = re.compile(
    r"\w*(?:Error|Exception|Timeout|Interrupt)|exit_error|exit_environment_error|exit_api"
)
"""Exit statuses of a crash: the name of an exception (mini-swe-agent), or SWE-agent's words."""


def is_crash(exit_status: str | None) -> bool:
    """Whether a run was ended by a server or a machine, and not by itself or a limit.

    An exception may have its module before it (`litellm.exceptions.APIError`), and its text behind
    it (OpenHands). SWE-agent says `submitted (exit_api)` of what it found after a crash.
    """
    ended = (exit_status or "").removeprefix("submitted (").removesuffix(")")
    name, _, said = ended.partition(":")
    name = name.rpartition(".")[2].strip()
    if name in MODEL_ENDS or said.strip().startswith(LIMIT):
        return False
    return CRASHES.fullmatch(name) is not None


def crashed_runs(outcomes: pl.DataFrame) -> list[str]:
    """Trajectory ids of the runs in rows of `test_outcomes` that a server or a machine ended."""
    ended = (pl.col("status") == Status.INFRA_ERROR.value) & (pl.col("grader") == NOBODY)
    return outcomes.filter(ended)["trajectory_id"].to_list()


OTHERS = "*"
"""As `instance_id`: a statement on every submitted run that its report does not list."""


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
        instance_id: the task, or `OTHERS`.
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
        patches: of a statement on `OTHERS`, how many patches were graded, if the report says.
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
    patches: int | None = None


def outcome_rows(outcomes: Iterable[TestOutcome]) -> pl.DataFrame:
    """Rows of a `test_outcomes` partition."""
    rows = [
        {**asdict(one), "status": one.status.value, "reason": encodable(one.reason)}
        for one in outcomes
    ]
    return pl.DataFrame(rows, schema=TEST_OUTCOMES, orient="row")


def encodable(text: str) -> str:
    """The text with `?` for each half of a surrogate pair, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def is_approximate(grader: str) -> bool:
    """Whether outcomes of this grader only come close to the official ones."""
    return grader == SDIST_GRADER


def cut_log(log: str) -> str:
    """The log as it is kept: both ends of a long one, in characters that UTF-8 knows."""
    log = encodable(log)
    if len(log) <= MAX_LOG_CHARS:
        return log
    half = MAX_LOG_CHARS // 2
    return f"{log[:half]}\n[... {len(log) - 2 * half} characters cut ...]\n{log[-half:]}"
