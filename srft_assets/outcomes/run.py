"""A run as its outcome is told of it, and the row that it gets in `test_outcomes`."""

from dataclasses import dataclass, replace

import polars as pl

from srft_assets.outcomes.status import (
    FAILED,
    NAMED_TESTS,
    NOBODY,
    ReportedOutcome,
    Status,
    TestOutcome,
    is_crash,
)
from srft_assets.trajectories.batches import Manifest
from srft_assets.trajectories.stage import patch_key

SWEBENCH = "swebench"
JUDGED = FAILED | {Status.RESOLVED}
COLUMNS = (
    "trajectory_id",
    "instance_id",
    "model",
    "submission",
    "source",
    "source_row",
    "source_resolved",
    "exit_status",
)


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
    def blank(self) -> bool:
        """Whether the source states a submission, and there is nothing in it."""
        return self.submission is not None and not self.submission.strip()

    @property
    def crashed(self) -> bool:
        """Whether a server or a machine ended it, whatever patch it left."""
        return is_crash(self.exit_status)


def runs_of(frame: pl.DataFrame) -> list[Run]:
    """The runs of a `trajectories` partition, in its order."""
    return [_ended(Run(**row)) for row in frame.select(COLUMNS).iter_rows(named=True)]


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


def _ended(run: Run) -> Run:
    return replace(run, submission="") if run.submission is None and run.exit_status else run


def as_outcome(run: Run, reported: ReportedOutcome) -> TestOutcome:
    """The row of a run that was reported on."""
    if run.blank and reported.status is not Status.EMPTY_PATCH:
        reported = replace(reported, status=Status.EMPTY_PATCH, reason="")
    reason = reported.reason
    stated, graded = run.source_resolved, reported.status is Status.RESOLVED
    if stated is not None and stated != graded and (stated or reported.status in JUDGED):
        says = "resolved" if stated else "not resolved"
        reason = f"{reason}; the run itself says {says}".removeprefix("; ")
    return swebench_row(run, reported, reported.grader_version, reason, reported.log)


def swebench_row(
    run: Run, reported: ReportedOutcome, version: str | None, reason: str, log: str | None
) -> TestOutcome:
    """The row of a run, with the counts of a report of SWE-bench's harness."""
    return TestOutcome(
        run.trajectory_id,
        run.instance_id,
        reported.status,
        f2p_passed=reported.f2p_passed,
        f2p_total=reported.f2p_total,
        p2p_passed=reported.p2p_passed,
        p2p_total=reported.p2p_total,
        grader=SWEBENCH,
        grader_version=version,
        reason=reason,
        log=log,
        failed_tests=reported.failed_tests[:NAMED_TESTS],
    )


def source_outcome(run: Run) -> TestOutcome:
    """What the run's own source states of it; `unknown` where it states nothing.

    A stated outcome counts more than an empty patch column: SWE-smith-trajectories holds
    resolved runs whose patch was not kept.
    """
    if run.source_resolved:
        status, grader = Status.RESOLVED, "source"
        reason = "the source holds no patch" if run.blank else ""
    elif run.blank:
        status, grader, reason = Status.EMPTY_PATCH, "source", ""
    elif run.source_resolved is None:
        status, grader, reason = Status.UNKNOWN, NOBODY, "nobody graded this run"
    else:
        status, grader, reason = Status.UNRESOLVED, "source", ""
    return TestOutcome(run.trajectory_id, run.instance_id, status, grader=grader, reason=reason)
