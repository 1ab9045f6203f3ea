"""The subprocess that runs the SWE-bench harness: `python -m … job.json`.

Prints `{"step": 3, "of": 20, "label": …}` as instances end; what the harness prints goes to
`harness.log` in its folder.
"""

import itertools
import os
import resource
import signal
import sys
import threading
import time
import traceback
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from srft_assets.child import quiet
from srft_assets.errors import SrftError
from srft_assets.locks import exclusive
from srft_assets.outcomes.harness.containers import daemon, isolate, remove_left
from srft_assets.outcomes.harness.run import (
    MODEL,
    Attempt,
    HarnessJob,
    Prediction,
    ended,
    read_attempts,
    read_result,
    report_path,
    run_folder,
    write_attempts,
)
from srft_assets.outcomes.status import Status

LOOK_SECONDS = 1.0
OPEN_FILES = 4096
LONGEST_WAIT_SECONDS = 60


def main(path: str) -> None:
    """Grade every prediction of a job."""
    parent = os.getppid()  # before the imports that take seconds
    job = HarnessJob.model_validate_json(Path(path).read_bytes())
    quiet()
    os.chdir(job.root)
    with _harness_output(job.root / "harness.log"):
        if job.grading.modal:
            _run(job, workers=1)  # its app runs once in a process
            return
        client = _daemon()
        owner = uuid.uuid4().hex
        isolate(job.grading, owner)
        with _ended_with(parent, client, owner):
            _run(job, job.grading.workers)
            remove_left(client, owner)


def _run(job: HarnessJob, workers: int) -> None:
    """Instances in parallel; predictions of one instance one after the other, for in a process
    the harness keeps one log an instance."""
    groups: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in job.predictions:
        groups[prediction.instance_id].append(prediction)
    done = itertools.count(1)
    lock = threading.Lock()

    def grade(predictions: Sequence[Prediction]) -> None:
        for prediction in predictions:
            evaluate(job, prediction)
            with lock:
                _tell(step=next(done), of=len(job.predictions), label=job.label)

    _tell(step=0, of=len(job.predictions), label=job.label)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="instance")
    try:
        for future in as_completed([pool.submit(grade, group) for group in groups.values()]):
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


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
        for number in range(job.grading.attempts):
            if number:
                time.sleep(min(job.wait_seconds * 2 ** (number - 1), LONGEST_WAIT_SECONDS))
                _put_aside(job.root, prediction.run_id)
            error = _run_harness(job, prediction)
            outcome = read_result(job.root, prediction).outcome
            failed = outcome.status is Status.INFRA_ERROR
            reason = (error or outcome.reason) if failed else outcome.reason
            attempts.append(Attempt(status=outcome.status, reason=reason))
            if not failed:
                break
        write_attempts(job.root, prediction.run_id, attempts)


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


def _daemon() -> Any:
    """A client of the Docker daemon; ends the process with one line where none answers."""
    try:
        return daemon()
    except SrftError as error:
        print(f"error: {error}", file=sys.__stdout__, flush=True)
        sys.exit(1)


@contextmanager
def _ended_with(parent: int, client: Any, owner: str) -> Iterator[None]:
    """Remove the containers and end where we are told to end, or the parent is gone."""
    over = threading.Event()

    def end(number: int = signal.SIGTERM, _: FrameType | None = None) -> None:
        try:
            remove_left(client, owner)
        finally:
            os._exit(128 + number)

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if os.getppid() != parent:
                end()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threading.Thread(target=watch, name="parent", daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def _harness_output(path: Path) -> Iterator[None]:
    with path.open("a", encoding="utf-8", errors="replace") as log:
        print(time.strftime("%Y-%m-%dT%H:%M:%S"), "begins", file=log)
        with redirect_stdout(log), redirect_stderr(log):
            yield


def _tell(**facts: Any) -> None:
    print(orjson.dumps(facts).decode(), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
