"""Grading the runs of a batch with the SWE-bench harness: predictions out, reports in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from srft_assets.outcomes.choice import Grading
from srft_assets.outcomes.harness.job import ungradable
from srft_assets.outcomes.harness.result import Result
from srft_assets.outcomes.harness.runs import Harness
from srft_assets.outcomes.matching import Run
from srft_assets.outcomes.model import Status, TestOutcome
from srft_assets.outcomes.reports import ReportedOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.plugins import need
from srft_assets.warehouse.stage import Work


def grade(
    runs: Sequence[Run], tasks: Mapping[str, TaskInstance], grading: Grading, work: Work
) -> dict[str, TestOutcome]:
    """Trajectory id → outcome, for runs that state a submission and have a task.

    The same patch of the same task is graded once, and never again under the same settings unless
    the machine failed. Where logs cannot tell whether the environment or the patch failed, the
    task's reference patch is graded, too: where that one fails as well, the machine is to blame.
    Raises SrftError where no Docker daemon answers, and UsageError where the extra `grade` is not
    installed.
    """
    need("grade")
    harness = Harness(grading, work)
    bad = {run.instance_id: ungradable(tasks[run.instance_id]) for run in runs}
    ours = [run for run in runs if not run.blank and not bad[run.instance_id]]
    patches = {run.trajectory_id: run.submission or "" for run in ours}
    pairs = {(run.instance_id, patches[run.trajectory_id]) for run in ours}
    results = harness.results(sorted(pairs), tasks, f"grading {work.partition}")
    doubtful = {instance for (instance, _), result in results.items() if result.ambiguous}
    gold = [(instance, tasks[instance].patch) for instance in sorted(doubtful)]
    known = [pair for pair in gold if pair[1].strip()]
    controls = harness.results(known, tasks, f"reference patches {work.partition}")

    outcomes = {}
    for run in runs:
        task = tasks[run.instance_id]
        if reason := bad[run.instance_id]:
            said = ReportedOutcome(run.instance_id, Status.INFRA_ERROR, reason=reason)
            outcomes[run.trajectory_id] = harness.outcome(run, said)
        elif run.blank:
            said = ReportedOutcome(run.instance_id, Status.EMPTY_PATCH)
            outcomes[run.trajectory_id] = harness.outcome(run, said)
        else:
            patch = patches[run.trajectory_id]
            result = results[run.instance_id, patch]
            control = controls.get((run.instance_id, task.patch)) if result.ambiguous else None
            said = settled(result, control)
            outcomes[run.trajectory_id] = harness.outcome(run, said, harness.of(task, patch))
            if result.ambiguous and said.status is Status.INFRA_ERROR:
                harness.blame_machine(task, {patch, task.patch}, said.reason)
    return outcomes


def settled(result: Result, control: Result | None) -> ReportedOutcome:
    """The outcome; of an ambiguous one, the patch's fault only where the reference passes."""
    outcome = result.outcome
    if not result.ambiguous or (control and control.outcome.status is Status.RESOLVED):
        return outcome
    why = "the task has no reference patch to tell by"
    if control:
        why = f"the task's reference patch fails here, too ({control.outcome.status.value})"
    blame = f"{outcome.reason or outcome.status.value}; {why}"
    return replace(outcome, status=Status.INFRA_ERROR, reason=blame)
