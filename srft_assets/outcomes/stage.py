"""The asset `test_outcomes`: what the tests said of each run's patch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from srft_assets.errors import Refusal
from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import chosen_config, grade_chosen
from srft_assets.outcomes.sandbox_grader import grade_runs
from srft_assets.outcomes.statements import reported_outcomes
from srft_assets.outcomes.status import (
    JUDGED,
    TEST_OUTCOMES,
    Run,
    Status,
    TestOutcome,
    as_outcome,
    outcome_rows,
    runs_of,
    source_outcome,
)
from srft_assets.outcomes.task import read_tasks, tasks_digest
from srft_assets.sandbox import open_sandbox
from srft_assets.trajectories.batches import Manifest, read_manifest
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Listing, Made, Stage, Upstream, Work

VERSION = 6
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """What the tests said of each run's patch, one row a run.

Statuses: `resolved`, `unresolved`, `empty_patch`, `patch_failed`, `timeout` are the model's;
`infra_error` is the grader's own failure; `unknown` means that nobody graded the run.
Generated tasks are graded here in the sandbox (`srft-local`). Other batches are graded by whom
`srft grade` chose: the SWE-bench harness in Docker (`swebench`), or an approximation of it in the
sandbox. Where nobody was chosen, reports found beside the runs decide (`swebench`), else what the
run's source says (`source`).
"""
KEPT = "kept, as grading it anew failed: "
LISTED_LOGS = 50
FIRST = (Status.INFRA_ERROR, Status.TIMEOUT, Status.PATCH_FAILED, Status.UNRESOLVED)
LOOKED_AT = [*FIRST, *(status for status in Status if status not in FIRST)]
"""Statuses in the order in which their logs are listed."""


def test_outcomes_stage(unsafe: bool = False) -> Stage:
    """The stage; `unsafe` lets it grade on machines without a sandbox."""

    return Stage(
        key="test_outcomes",
        partitioned_by="batch",
        upstream=(Upstream("trajectories"),),
        schema=TEST_OUTCOMES,
        code={"version": VERSION},
        make=lambda work: _make(work, unsafe),
        config_of=_config_of,
        volatile=("log",),
        pool="grading",
        description=DESCRIPTION,
        kinds=frozenset({"parquet", "python"}),
    )


# pytest would take the function for a test where a test module imports it.
test_outcomes_stage.__test__ = False  # type: ignore[attr-defined]  # tells pytest: no test


def _config_of(home: Home, batch: str) -> dict[str, Any]:
    """Contents of the reports and the choice of a grader; where the platform grades itself, of
    the tasks."""
    config = read_manifest(home, batch).reports_config() | chosen_config(home, batch)
    tasks = tasks_digest(home, batch)
    return config if tasks is None else {**config, "tasks": tasks}


def _make(work: Work, unsafe: bool) -> Made:
    runs = runs_of(work.read("trajectories"))
    manifest = read_manifest(work.home, work.partition)
    graded = {run.trajectory_id: _crash(run) for run in runs if _crashed(run, manifest)}
    before = _graded_before(work)
    graded |= _graded(work, [run for run in runs if run.trajectory_id not in graded], unsafe)
    chosen, ungraded = grade_chosen(work, [run for run in runs if run.trajectory_id not in graded])
    graded |= chosen
    lost = [run for run in runs if _ungraded(graded.get(run.trajectory_id), run)]
    others = [run for run in runs if run.trajectory_id not in graded]
    asked = [*others, *lost]
    known = {run.trajectory_id for run in asked}
    rest = [run for run in runs if run.trajectory_id not in known]
    imported, refused, strangers = _imported(manifest, asked, rest)
    for run in lost:
        graded[run.trajectory_id] = _kept(graded[run.trajectory_id], run, imported, before)
    outcomes = imported | graded
    rows = [outcomes[run.trajectory_id] for run in runs]
    figures = _figures(rows) | {"reports of other runs": strangers} | _logs(rows)
    return Made(outcome_rows(rows), [*ungraded, *refused], figures)


def _ungraded(outcome: TestOutcome | None, run: Run) -> bool:
    """Whether a grader was asked for the outcome of a run, and could not say."""
    return outcome is not None and outcome.status not in JUDGED and not run.crashed


def _graded_before(work: Work) -> dict[str, TestOutcome]:
    """What graders of ours, and not reports, found when the partition was made last."""
    warehouse = Warehouse(work.home.warehouse)
    if warehouse.stamp("test_outcomes", work.partition) is None:
        return {}
    rows = warehouse.read("test_outcomes", work.partition).iter_rows(named=True)
    known = [
        TestOutcome(
            **{**row, "status": Status(row["status"]), "failed_tests": (*row["failed_tests"],)}
        )
        for row in rows
        if row["grader"].startswith("srft-") or Path(row["log"] or "").is_absolute()
    ]
    return {one.trajectory_id: one for one in known}


def _kept(
    failed: TestOutcome,
    run: Run,
    spare: Mapping[str, TestOutcome],
    before: Mapping[str, TestOutcome],
) -> TestOutcome:
    """A graded outcome is never replaced by a failure of the machine."""
    for known in (before.get(run.trajectory_id), spare.get(run.trajectory_id)):
        if known and known.status in JUDGED:
            reason = known.reason.partition(KEPT)[0].removesuffix("; ")
            said = f"{reason}; {KEPT}{failed.reason}".removeprefix("; ")
            if known.grader == failed.grader and known.grader_version != failed.grader_version:
                said += f"; it is of version {known.grader_version} of the grader"
            return replace(known, reason=said)
    return failed


def _crashed(run: Run, manifest: Manifest) -> bool:
    """Whether the run has no end of its own; our own runs always state one."""
    return run.crashed or (manifest.kind != "files" and run.exit_status is None)


def _crash(run: Run) -> TestOutcome:
    reason = f"the run ended in {run.exit_status or 'nothing'}, which is no end of the model's own"
    return TestOutcome(run.trajectory_id, run.instance_id, Status.INFRA_ERROR, reason=reason)


def _graded(work: Work, runs: Sequence[Run], unsafe: bool) -> dict[str, TestOutcome]:
    tasks = read_tasks(work.home, work.partition)
    ours = [run for run in runs if run.instance_id in tasks]
    if not ours:
        return {}
    sandbox = open_sandbox(unsafe)
    work.log.info("grading %d runs in sandbox %s", len(ours), sandbox.name)
    return grade_runs(ours, tasks, sandbox, work.progress, f"grading {work.partition}")


def _imported(
    manifest: Manifest, runs: Sequence[Run], rest: Sequence[Run]
) -> tuple[dict[str, TestOutcome], list[Refusal], int]:
    """Outcomes by trajectory id, of reports or else of the source; reports that had no run.

    `rest`: the other runs of the batch, of whom reports may speak as well.
    """
    matched = reported_outcomes(manifest, runs, rest)
    reasons = {refusal.subject: refusal.reason for refusal in matched.refused}
    refused = list(matched.refused)
    outcomes: dict[str, TestOutcome] = {}
    for run in runs:
        if reported := matched.outcomes.get(run.trajectory_id):
            outcomes[run.trajectory_id] = as_outcome(run, reported)
            continue
        if run.trajectory_id in matched.without_patch:
            run = replace(run, submission="")
        stated = source_outcome(run)
        if stated.status is Status.UNKNOWN:
            why = reasons.get(run.trajectory_id) or reasons.get(run.instance_id)
            stated = replace(stated, reason=f"report refused: {why}") if why else stated
        outcomes[run.trajectory_id] = stated
    return outcomes, refused, matched.strangers


def _figures(outcomes: list[TestOutcome]) -> dict[str, Any]:
    """For the asset's page: how many of each status, and of each grader."""
    statuses = Counter(one.status.value for one in outcomes)
    graders = Counter(f"graded by {one.grader}" for one in outcomes)
    return {
        "runs": len(outcomes),
        **dict(sorted(statuses.items())),
        **dict(sorted(graders.items())),
    }


def _logs(outcomes: list[TestOutcome]) -> dict[str, Any]:
    """For the asset's page: where the logs of graded runs are, those of failures first."""
    kept = [one for one in outcomes if one.log and Path(one.log).is_absolute()]
    kept.sort(key=lambda one: (LOOKED_AT.index(one.status), one.trajectory_id))
    rows = [(one.trajectory_id, one.status, one.reason, one.log) for one in kept[:LISTED_LOGS]]
    return {"logs": Listing(("run", "status", "reason", "folder"), rows)} if rows else {}


def machine_failed(home: Home, batch: str) -> bool:
    """Whether the machine failed at some run of the partition as it is."""
    warehouse = Warehouse(home.warehouse)
    if warehouse.stamp("test_outcomes", batch) is None:
        return False
    rows = warehouse.read("test_outcomes", batch, columns=["status", "reason"])
    failed = rows["status"] == Status.INFRA_ERROR.value
    return bool((failed | rows["reason"].str.contains(KEPT, literal=True)).any())
