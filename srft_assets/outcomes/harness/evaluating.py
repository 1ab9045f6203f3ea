"""One prediction through `swebench eval`, again where the machine failed. In the subprocess."""

import resource
import traceback
from pathlib import Path

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential

from srft_assets.locks import exclusive
from srft_assets.outcomes.harness.job import (
    MODEL,
    Attempt,
    HarnessJob,
    Prediction,
    read_attempts,
    report_path,
    run_folder,
    write_attempts,
)
from srft_assets.outcomes.harness.result import read_result
from srft_assets.outcomes.model import Status

OPEN_FILES = 4096
LONGEST_WAIT_SECONDS = 60


def ended(root: Path, run_id: str) -> bool:
    """Whether the run came to an end that stays: a failure of the machine does not."""
    attempts = read_attempts(root, run_id)
    return bool(attempts) and attempts[-1].status != Status.INFRA_ERROR


def evaluate(job: HarnessJob, prediction: Prediction) -> None:
    """Grade one prediction, unless its run came to its end before; writes `attempts.json`.

    A prediction that another process is at is waited for.
    """
    with exclusive(run_folder(job.root, prediction.run_id) / ".lock"):
        if ended(job.root, prediction.run_id):
            return
        if read_attempts(job.root, prediction.run_id):
            _put_aside(job.root, prediction.run_id)
        attempts: list[Attempt] = []
        retrying = Retrying(
            stop=stop_after_attempt(job.grading.attempts),
            wait=wait_exponential(job.wait_seconds, max=LONGEST_WAIT_SECONDS),
            retry=retry_if_result(lambda attempt: attempt.status == Status.INFRA_ERROR),
            retry_error_callback=_last,
        )
        retrying(_attempt, job, prediction, attempts)
        write_attempts(job.root, prediction.run_id, attempts)


def _attempt(job: HarnessJob, prediction: Prediction, attempts: list[Attempt]) -> Attempt:
    if attempts:
        _put_aside(job.root, prediction.run_id)
    error = _run_harness(job, prediction)
    outcome = read_result(job.root, prediction).outcome
    failed = outcome.status is Status.INFRA_ERROR
    reason = (error or outcome.reason) if failed else outcome.reason
    attempts.append(Attempt(status=outcome.status, reason=reason))
    return attempts[-1]


def _run_harness(job: HarnessJob, prediction: Prediction) -> str:
    """`swebench eval` of one row; what it raised, in one line. It goes on where it was killed."""
    from docker.errors import DockerException
    from swebench.harness.run_evaluation import main

    folder = run_folder(job.root, prediction.run_id)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        main(
            dataset_name=str(folder / "dataset.jsonl"),
            split=job.grading.split,
            instance_ids=[prediction.instance_id],
            predictions_path=str(folder / "predictions.jsonl"),
            max_workers=1,
            open_file_limit=min(OPEN_FILES, hard) if hard > 0 else OPEN_FILES,
            run_id=prediction.run_id,
            timeout=job.grading.timeout,
            rewrite_reports=False,
            modal=job.grading.modal,
            report_dir=str(folder),
        )
    except (DockerException, OSError, ValueError, KeyError, RuntimeError) as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""


def _put_aside(root: Path, run_id: str) -> None:
    """Keep the logs of a failed attempt: the harness takes them for a finished run."""
    folder = run_folder(root, run_id)
    number = 1 + len(list(folder.glob("attempt-*")))
    if (folder / MODEL).exists():
        (folder / MODEL).rename(folder / f"attempt-{number}")
    report_path(root, run_id).unlink(missing_ok=True)


def _last(state: RetryCallState) -> Attempt | None:
    return state.outcome.result() if state.outcome else None
