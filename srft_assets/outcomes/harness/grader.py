"""Grading the runs of a batch with the SWE-bench harness: predictions out, reports in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from uuid import uuid4

from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.harness.main import daemon
from srft_assets.outcomes.harness.run import (
    Attempt,
    HarnessJob,
    Prediction,
    Result,
    ended,
    harness_root,
    log_folder,
    read_attempts,
    read_result,
    run_id_of,
    ungradable,
    write_attempts,
    write_inputs,
)
from srft_assets.outcomes.status import ReportedOutcome, Run, Status, TestOutcome, swebench_row
from srft_assets.outcomes.task import TaskInstance
from srft_assets.plugins import need
from srft_assets.processes.child import python
from srft_assets.project.settings import settings
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
        task, made = tasks[run.instance_id], None
        if reason := bad[run.instance_id]:
            said = ReportedOutcome(task.instance_id, Status.INFRA_ERROR, reason=reason)
        elif run.blank:
            said = ReportedOutcome(task.instance_id, Status.EMPTY_PATCH)
        else:
            patch = patches[run.trajectory_id]
            result = results[run.instance_id, patch]
            said = settled(result, controls.get((run.instance_id, task.patch)))
            made = harness.of(task, patch)
            if result.ambiguous and said.status is Status.INFRA_ERROR:
                harness.blame_machine(task, {patch, task.patch}, said.reason)
        outcomes[run.trajectory_id] = harness.outcome(run, said, made)
    return outcomes


def preconditions(tasks: Mapping[str, TaskInstance], grading: Grading) -> None:
    """Raises SrftError where nothing could be graded: no row that the harness takes, no Docker."""
    need("grade")
    bad = [reason for task in tasks.values() if (reason := ungradable(task))]
    if bad and len(bad) == len(tasks):
        raise SrftError(f"{min(tasks)}: {bad[0]}")
    if not grading.modal and not settings().launch.grading:
        daemon()


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
            # Partitions that are made side by side are of one run.
            told = root / "jobs" / f"{self.work.run_id}-{uuid4().hex}.json"
            place(told, job.model_dump_json(indent=2).encode())
            module = "srft_assets.outcomes.harness.main"
            try:
                self.work.launch(python(module, str(told)), {}, settings().launch.grading)
            finally:
                told.unlink(missing_ok=True)
        return {pair: read_result(root, one) for pair, one in predictions.items()}

    def blame_machine(self, task: TaskInstance, patches: Iterable[str], reason: str) -> None:
        """Note it with the runs, so that they are graded again when they are next asked for."""
        root = harness_root(self.work.home)
        for patch in patches:
            run_id = self.of(task, patch).run_id
            if attempts := read_attempts(root, run_id):
                blamed = Attempt(status=Status.INFRA_ERROR, reason=reason)
                write_attempts(root, run_id, [*attempts[:-1], blamed])

    def outcome(
        self, run: Run, said: ReportedOutcome, prediction: Prediction | None
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
        reason = reason.removeprefix("; ")
        told = replace(said, grader_version=version("swebench"), reason=reason, log=log)
        return swebench_row(run, told)
