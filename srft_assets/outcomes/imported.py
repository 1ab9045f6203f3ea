"""Outcomes that others found: reports named in the batch's manifest, and the source itself."""

from pathlib import Path

from srft_assets.outcomes.matching import Matched, Run, match
from srft_assets.outcomes.model import FAILED, NAMED_TESTS, Status, TestOutcome
from srft_assets.outcomes.reports import ReportedOutcome, parse_report
from srft_assets.refusal import Refusal
from srft_assets.trajectories.batches import FileRef, Manifest
from srft_assets.trajectories.sources import SourceChangedError, read_verified

SWEBENCH = "swebench"
SOURCE = "source"
NONE = "none"
JUDGED = FAILED | {Status.RESOLVED}


def reported_outcomes(manifest: Manifest, runs: list[Run]) -> Matched:
    """What the batch's reports and predictions say of its runs.

    Raises SourceChangedError where one is gone or is not the one that was ingested.
    """
    if manifest.kind != "files" or not (manifest.reports or manifest.predictions):
        return Matched()
    root = manifest.folder()
    outcomes: list[ReportedOutcome] = []
    refused: list[Refusal] = []
    lost: list[str] = []
    for ref in (*manifest.reports, *manifest.predictions):
        try:
            data = read_verified(root, ref)
            beside = _beside(root, getattr(ref, "evidence", ()))
        except SourceChangedError as error:
            lost.append(str(error))
            continue
        for item in parse_report(data, ref.path, beside):
            if isinstance(item, Refusal):
                refused.append(item)
            else:
                outcomes.append(item)
    if lost:
        raise SourceChangedError(
            f"batch {manifest.batch}: {len(lost)} reports are not as they were ingested "
            f"({lost[0]}); the partition stays as it is. Run: srft ingest {root} --batch "
            f"{manifest.family}"
        )
    matched = match(runs, outcomes)
    matched.refused[:0] = refused
    return matched


def _beside(root: Path, evidence: tuple[FileRef, ...]) -> dict[str, str]:
    """File name → text of what the grader left beside its report."""
    return {
        ref.path.rpartition("/")[2]: read_verified(root, ref).decode("utf-8", "replace")
        for ref in evidence
    }


def as_outcome(run: Run, reported: ReportedOutcome) -> TestOutcome:
    """The row of a run that was reported on."""
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
        status, grader = Status.RESOLVED, SOURCE
        reason = "the source holds no patch" if run.blank else ""
    elif run.blank:
        status, grader, reason = Status.EMPTY_PATCH, SOURCE, ""
    elif run.source_resolved is None:
        status, grader, reason = Status.UNKNOWN, NONE, "nobody graded this run"
    else:
        status, grader, reason = Status.UNRESOLVED, SOURCE, ""
    return TestOutcome(run.trajectory_id, run.instance_id, status, grader=grader, reason=reason)
