"""The subprocess that runs the SWE-bench harness: `python -m … job.json`.

Prints `{"step": 3, "of": 20, "label": …}` as instances end; what the harness prints goes to
`harness.log` in its folder. What its containers may do, and how they end, is stated here too:
swebench 5 has no setting for it. It creates containers through the docker package, with the
daemon's default network and SYS_ADMIN; so the calls it makes are replaced, in this process only.
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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from srft_assets.errors import SrftError
from srft_assets.outcomes.grader_choice import Grading
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
from srft_assets.processes.child import quiet
from srft_assets.processes.locks import exclusive
from srft_assets.sandbox.process import CutOutput

LOOK_SECONDS = 1.0
OPEN_FILES = 4096
LONGEST_WAIT_SECONDS = 60
PING_SECONDS = 30
LABEL = "srft.grading"
"""Label of our containers; its value names the process that runs the harness."""
MARGIN_SECONDS = 900
"""A container whose harness was killed ends by itself so long after the tests' time."""
MAX_PROCESSES = 4096
MAX_HEAD_BYTES = 48 * 1024 * 1024
MAX_TAIL_BYTES = 1024 * 1024
"""Output that is kept of tests that print without end; the markers of its end are in the tail."""
MAX_OTHER_BYTES = 1024 * 1024
"""Of any other command. After the tests the harness asks for a diff of all that they wrote, which
can be more than this machine's memory, and logs it."""


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
        try:
            client = daemon()
        except SrftError as error:
            print(f"error: {error}", file=sys.__stdout__, flush=True)
            sys.exit(1)
        owner = uuid.uuid4().hex
        isolate(job.grading, owner)
        with _ended_with(parent, client, owner):
            _run(job, job.grading.workers)
            remove_left(client, owner)


def _run(job: HarnessJob, workers: int) -> None:
    """Instances in parallel; predictions of one instance one after the other, for in a process
    the harness keeps one log an instance. What other processes are at, on whichever host, comes
    last: several that share a job share out its instances."""
    done = itertools.count(1)
    lock = threading.Lock()
    theirs: list[Prediction] = []

    def grade(predictions: Sequence[Prediction], wait: bool) -> None:
        for prediction in predictions:
            over = evaluate(job, prediction, wait)
            with lock:
                if over:
                    _tell(step=next(done), of=len(job.predictions), label=job.label)
                else:
                    theirs.append(prediction)

    _tell(step=0, of=len(job.predictions), label=job.label)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="instance")
    try:
        for left, wait in ((job.predictions, False), (theirs, True)):
            groups: dict[str, list[Prediction]] = defaultdict(list)
            for prediction in left:
                groups[prediction.instance_id].append(prediction)
            begun = [pool.submit(grade, group, wait) for group in groups.values()]
            for future in as_completed(begun):
                future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def evaluate(job: HarnessJob, prediction: Prediction, wait: bool = True) -> bool:
    """Grade one prediction, unless its run came to its end before; writes `attempts.json`.

    A prediction that another process is at is waited for, or left: then False.
    """
    with exclusive(run_folder(job.root, prediction.run_id) / ".lock", wait=wait) as ours:
        if ours:
            _evaluate(job, prediction)
        return ours


def _evaluate(job: HarnessJob, prediction: Prediction) -> None:
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


def daemon() -> Any:
    """A client of the Docker daemon. Raises SrftError where none answers."""
    import docker

    try:
        client = docker.from_env(timeout=PING_SECONDS)
        client.ping()
    except docker.errors.DockerException as error:
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        reason = " ".join(str(error).split())[:200]
        raise SrftError(
            f"no Docker daemon answers at {where}: {reason}. Start it, set DOCKER_HOST, or "
            "grade with --grader local"
        ) from None
    return client


def isolate(grading: Grading, owner: str) -> None:
    """Replace, for this process, how swebench creates, lists and removes containers, and runs
    commands in them."""
    from docker.models.containers import Container, ContainerCollection
    from swebench.harness import run_evaluation as harness

    create: Callable[..., Any] = ContainerCollection.create
    listed: Callable[..., Any] = ContainerCollection.list
    stated = limits_of(grading) | {"labels": {LABEL: owner}}

    def create_isolated(self: Any, image: str, command: Any = None, **given: Any) -> Any:
        return create(self, image, **{**given, **stated})

    def list_present(self: Any, *args: Any, **given: Any) -> Any:
        # The default fails where another thread removes a container meanwhile.
        return listed(self, *args, **{**given, "ignore_removed": True})

    ContainerCollection.create = create_isolated
    ContainerCollection.list = list_present
    Container.exec_run = exec_bounded
    harness._docker_client = cache(harness._docker_client)
    harness.cleanup_container = remove
    harness.exec_run_with_timeout = run_bounded


def limits_of(grading: Grading) -> dict[str, Any]:
    """Arguments of `containers.create` that outrank those of the harness."""
    memory = int(grading.memory_gb * 1024**3)
    return {
        "command": ["sleep", str(grading.timeout + MARGIN_SECONDS)],
        "network_mode": "default" if grading.network else "none",
        "cap_add": ["SYS_ADMIN"] if grading.sys_admin else [],
        "cap_drop": ["NET_RAW", "MKNOD"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": MAX_PROCESSES,
        "mem_limit": memory,
        "memswap_limit": memory,
    }


def remove(client: Any, container: Any, logger: Any) -> None:
    """End and remove a container at once; the harness asks kindly for 15 seconds first."""
    from docker.errors import DockerException

    if container is None:
        return
    try:
        container.remove(force=True)
    except (DockerException, OSError) as error:
        # The result stands, and `remove_left` finds what is left.
        print(f"container {container.name} was not removed: {error}")


def remove_left(client: Any, owner: str) -> None:
    """Remove all containers of a harness process; a daemon that does not answer keeps them."""
    from docker.errors import DockerException

    try:
        left = client.containers.list(all=True, filters={"label": f"{LABEL}={owner}"})
    except (DockerException, OSError) as error:
        print(f"containers of {owner} were not removed: {error}")
        return
    for container in left:
        with suppress(DockerException, OSError):
            container.remove(force=True)


def exec_bounded(
    container: Any, cmd: str | list[str], *, user: str = "", workdir: str | None = None
) -> Any:
    """`Container.exec_run` as the harness calls it: exit code and output, both ends of long ones.

    What is no UTF-8 becomes U+FFFD: the harness would take a diff of such a file for its failure.
    """
    from docker.models.containers import ExecResult

    api = container.client.api
    made = api.exec_create(container.id, cmd, user=user, workdir=workdir)["Id"]
    kept = CutOutput(MAX_OTHER_BYTES)
    for chunk in api.exec_start(made, stream=True):
        kept.feed(chunk)
    return ExecResult(api.exec_inspect(made)["ExitCode"], kept.text().encode())


def run_bounded(container: Any, cmd: str, timeout: float | None = 60) -> tuple[str, bool, float]:
    """The harness's `exec_run_with_timeout`: output, whether it timed out, seconds.

    Keeps both ends of long output. What runs on is ended with its container.
    """
    from docker.errors import DockerException

    kept = CutOutput(MAX_HEAD_BYTES + MAX_TAIL_BYTES, tail=MAX_TAIL_BYTES)
    failed: list[Exception] = []

    def run() -> None:
        api = container.client.api
        try:
            for chunk in api.exec_start(api.exec_create(container.id, cmd)["Id"], stream=True):
                kept.feed(chunk)
        except (DockerException, OSError) as error:
            failed.append(error)

    start = time.monotonic()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout)
    seconds = time.monotonic() - start
    if failed:
        raise failed[0]
    return kept.text(), thread.is_alive(), seconds


if __name__ == "__main__":
    main(sys.argv[1])
