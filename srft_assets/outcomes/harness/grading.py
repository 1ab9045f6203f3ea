"""Grading the runs of a batch with the SWE-bench harness: predictions out, reports in."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from srft_assets.outcomes.choice import Grading
from srft_assets.outcomes.harness.evaluating import ended
from srft_assets.outcomes.harness.job import (
    HarnessJob,
    Prediction,
    harness_root,
    log_folder,
    read_attempts,
    run_id_of,
    ungradable,
    write_inputs,
)
from srft_assets.outcomes.harness.result import Result, read_result
from srft_assets.outcomes.matching import Run
from srft_assets.outcomes.model import NAMED_TESTS, Status, TestOutcome
from srft_assets.outcomes.reports import ReportedOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.stage import Work

GRADER = "swebench"


def grade(
    runs: Sequence[Run], tasks: Mapping[str, TaskInstance], grading: Grading, work: Work
) -> dict[str, TestOutcome]:
    """Trajectory id → outcome, for runs that state a submission and have a task.

    The same patch of the same task is graded once, and never again under the same settings unless
    the machine failed. Where logs cannot tell whether the environment or the patch failed, the
    task's reference patch is graded, too: where that one fails as well, the machine is to blame.
    Raises SrftError where no Docker daemon answers.
    """
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


@dataclass(frozen=True)
class Harness:
    """The harness of one making of a partition."""

    grading: Grading
    work: Work

    def of(self, task: TaskInstance, patch: str) -> Prediction:
        """The prediction with its run id."""
        run_id = run_id_of(task, patch, self.grading)
        return Prediction(run_id=run_id, instance_id=task.instance_id, patch=patch)

    def results(
        self, pairs: Iterable[tuple[str, str]], tasks: Mapping[str, TaskInstance], label: str
    ) -> dict[tuple[str, str], Result]:
        """(instance id, patch) → result; what is not there yet is graded in a subprocess."""
        root = harness_root(self.work.home)
        predictions = {pair: self.of(tasks[pair[0]], pair[1]) for pair in pairs}
        wanted = [one for one in predictions.values() if not ended(root, one.run_id)]
        kept = len(predictions) - len(wanted)
        self.work.log.info("%s: %d to run, %d known already", label, len(wanted), kept)
        if wanted:
            for prediction in wanted:
                write_inputs(root, prediction, tasks[prediction.instance_id])
            job = HarnessJob(root=root, label=label, predictions=wanted, grading=self.grading)
            told = root / "jobs" / f"{self.work.run_id}.json"
            place(told, job.model_dump_json(indent=2).encode())
            module = "srft_assets.outcomes.harness.main"
            try:
                self.work.launch([sys.executable, "-m", module, str(told)], {})
            finally:
                told.unlink(missing_ok=True)
        return {pair: read_result(root, one) for pair, one in predictions.items()}

    def outcome(
        self, run: Run, said: ReportedOutcome, prediction: Prediction | None = None
    ) -> TestOutcome:
        """The row of a run; its log is the folder with all the harness left."""
        root, reason, log = harness_root(self.work.home), said.reason, None
        if prediction:
            log = str(log_folder(root, prediction))
            attempts = read_attempts(root, prediction.run_id)
            if len(attempts) > 1:
                before = f"; the first failed: {attempts[0].reason}"
                repeated = said.status is Status.INFRA_ERROR
                reason += f"; attempt {len(attempts)}{'' if repeated else before}"
        return TestOutcome(
            run.trajectory_id,
            run.instance_id,
            said.status,
            f2p_passed=said.f2p_passed,
            f2p_total=said.f2p_total,
            p2p_passed=said.p2p_passed,
            p2p_total=said.p2p_total,
            grader=GRADER,
            grader_version=version("swebench"),
            reason=reason.removeprefix("; "),
            log=log,
            failed_tests=said.failed_tests[:NAMED_TESTS],
        )
