"""What an outcome is: of one run, of one instance as a report states it, and how either is told."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from enum import IntEnum, StrEnum
from typing import Any

import polars as pl

from srft_assets.trajectories.batches import Manifest
from srft_assets.trajectories.formats import READERS
from srft_assets.trajectories.stage import patch_key

NAMED_TESTS = 100
MAX_LOG_CHARS = 16_000
NOBODY = "none"
"""As grader: no report and no grader told it; with `infra_error`, the run itself crashed."""
SWEBENCH = "swebench"
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
JUDGED = FAILED | {Status.RESOLVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """What a grading says besides the status. Test counts are None where the source gives none.

    `failed_tests` names FAIL_TO_PASS and PASS_TO_PASS tests that did not pass, in the grader's
    order; in an outcome at most `NAMED_TESTS` of them.
    """

    f2p_passed: int | None = None
    f2p_total: int | None = None
    p2p_passed: int | None = None
    p2p_total: int | None = None
    grader_version: str | None = None
    reason: str = ""
    log: str | None = None
    failed_tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestOutcome(Graded):
    """Outcome of one run."""

    __test__ = False

    trajectory_id: str
    instance_id: str
    status: Status
    grader: str = NOBODY


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
class ReportedOutcome(Graded):
    """One instance's outcome as a report states it.

    Attributes:
        instance_id: the task, or `OTHERS`.
        status: never `unknown`.
        source: the report's file.
        detail: how closely it looked.
        model: `model_name_or_path`, None where the report does not say.
        patch: the patch that was graded, None where the report does not hold it.
        patches: of a statement on `OTHERS`, how many patches were graded, if the report says.
        beside: it is of the runs in its folder, whatever they call their task.
    """

    instance_id: str
    status: Status
    source: str = ""
    detail: Detail = Detail.STATED
    model: str | None = None
    patch: str | None = None
    patches: int | None = None
    beside: bool = False


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


@dataclass(frozen=True, slots=True)
class Run:
    """What is needed of a row of `trajectories` to tell its outcome.

    `submission` is empty, and not None, where the run stated how it ended, and no patch. Where its
    text is not at hand `key` tells it from others.
    """

    trajectory_id: str
    instance_id: str
    model: str | None
    submission: str | None
    source: str
    source_row: int | None
    source_resolved: bool | None
    exit_status: str | None = None
    key: str | None = None

    @property
    def patch(self) -> str | None:
        """What tells the submission from others, see `patch_key`; None where it is not known."""
        return None if self.submission is None else self.key or patch_key(self.submission)

    @property
    def record(self) -> tuple[str, int] | str:
        """What tells the record that it stands in; several runs may, of one patch."""
        row = self.source_row
        return self.trajectory_id if row is None else (self.source, row)

    @property
    def blank(self) -> bool:
        """Whether the source states a submission, and there is nothing in it."""
        return self.submission is not None and not self.submission.strip()

    @property
    def crashed(self) -> bool:
        """Whether a server or a machine ended it, whatever patch it left."""
        return is_crash(self.exit_status)


RUN_COLUMNS = [one.name for one in fields(Run) if one.name != "key"]


def runs_of(frame: pl.DataFrame) -> list[Run]:
    """The runs of a `trajectories` partition, in its order."""
    rows = frame.select(*RUN_COLUMNS, "format").iter_rows(named=True)
    return [_ended(Run(**{name: row[name] for name in RUN_COLUMNS}), row["format"]) for row in rows]


def runs_elsewhere(manifest: Manifest) -> list[Run]:
    """The runs in other batches of whom the reports of a batch may speak.

    Their ids are no trajectory ids.
    """
    return [
        _ended(
            Run(
                trajectory_id=f"{path} {number}",
                instance_id=run.instance_id,
                model=run.model,
                submission=run.patch,
                source=path,
                source_row=None,
                source_resolved=None,
                exit_status=run.exit_status,
                key=run.patch,
            )
        )
        for number, (path, run) in enumerate(manifest.others)
    ]


def _ended(run: Run, format_name: str = "") -> Run:
    """The run, whose submission is empty where its format states patches, and this run none."""
    reader = READERS.get(format_name)
    states = bool(run.exit_status) and (reader is None or reader.patches)
    return replace(run, submission="") if run.submission is None and states else run


def as_outcome(run: Run, reported: ReportedOutcome) -> TestOutcome:
    """The row of a run that was reported on."""
    if run.blank and reported.status is not Status.EMPTY_PATCH:
        reported = replace(reported, status=Status.EMPTY_PATCH, reason="")
    reason = reported.reason
    stated, graded = run.source_resolved, reported.status is Status.RESOLVED
    if stated is not None and stated != graded and (stated or reported.status in JUDGED):
        says = "resolved" if stated else "not resolved"
        reason = f"{reason}; the run itself says {says}".removeprefix("; ")
    return swebench_row(run, replace(reported, reason=reason))


def swebench_row(run: Run, reported: ReportedOutcome) -> TestOutcome:
    """The row of a run, with the counts of a report of SWE-bench's harness."""
    told = {one.name: getattr(reported, one.name) for one in fields(Graded)}
    told["failed_tests"] = reported.failed_tests[:NAMED_TESTS]
    return TestOutcome(run.trajectory_id, run.instance_id, reported.status, SWEBENCH, **told)


def source_outcome(run: Run) -> TestOutcome:
    """What the run's own source states of it; `unknown` where it states nothing.

    A stated outcome counts more than an empty patch column: SWE-smith-trajectories holds
    resolved runs whose patch was not kept.
    """
    status, grader, reason = Status.UNRESOLVED, "source", ""
    if run.source_resolved:
        status, reason = Status.RESOLVED, "the source holds no patch" if run.blank else ""
    elif run.blank:
        status = Status.EMPTY_PATCH
    elif run.source_resolved is None:
        status, grader, reason = Status.UNKNOWN, NOBODY, "nobody graded this run"
    return TestOutcome(run.trajectory_id, run.instance_id, status, grader=grader, reason=reason)
