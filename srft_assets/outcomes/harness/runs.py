"""The harness's runs of one making of a partition: started where they are missing, and read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from srft_assets.child import python
from srft_assets.outcomes.choice import Grading
from srft_assets.outcomes.harness.evaluating import ended
from srft_assets.outcomes.harness.job import (
    Attempt,
    HarnessJob,
    Prediction,
    harness_root,
    log_folder,
    read_attempts,
    run_id_of,
    write_attempts,
    write_inputs,
)
from srft_assets.outcomes.harness.result import Result, read_result
from srft_assets.outcomes.imported import swebench_row
from srft_assets.outcomes.matching import Run
from srft_assets.outcomes.model import Status, TestOutcome
from srft_assets.outcomes.reports import ReportedOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.stage import Work


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
                self.work.launch(python(module, str(told)), {})
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
        return swebench_row(run, said, version("swebench"), reason.removeprefix("; "), log)
