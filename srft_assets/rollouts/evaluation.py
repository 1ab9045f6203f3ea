"""`python -m srft_assets.rollouts.evaluation job.json`: a checkpoint plays held-out tasks.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 40, "resolved": 1}`; a failure
is one line on standard error and exit code 1.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import orjson

from srft_assets.agent.play import Play, Told, play_all, plays_of, sandboxed
from srft_assets.child import run_job
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.outcomes.sandbox_grader import grade_patch
from srft_assets.outcomes.status import Status, TestOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.attempts import (
    RESULT,
    Attempt,
    EvaluationJob,
    attempt_path,
    read_attempt,
    read_run,
)
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.sandbox import Completed, Limits, Sandbox, SandboxError, open_sandbox


class GatedSandbox:
    """A sandbox that runs few commands at a time, so that waiting for a CPU is no timeout."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.name = sandbox.name
        self._sandbox = sandbox
        self._gate = threading.Semaphore(2 * (os.cpu_count() or 1))

    def run(
        self,
        command: str,
        *,
        workdir: Path,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """As the sandbox does, after waiting for a turn."""
        with self._gate:
            return self._sandbox.run(command, workdir=workdir, limits=limits, env=env)


def evaluate(
    job: EvaluationJob,
    tasks: Sequence[TaskInstance],
    checkpoint: Checkpoint,
    sandbox: Sandbox,
    report: Callable[[Attempt], None],
) -> None:
    """Play and grade what is not finished; every attempt is on disk before it is reported.

    Attempts that failed for the sandbox's or grader's own fault are played a second time. Raises
    what the generation raised: the attempts that it ended do not count.
    """
    from srft_assets.rollouts.generator import Generator
    from srft_assets.rollouts.model import LocalModels

    gated = GatedSandbox(sandbox)
    told = Told(steps=job.step_limit)
    scene = partial(sandboxed, sandbox=gated, seconds=job.command_seconds, told=told)
    generator = Generator(checkpoint, job.max_new_tokens, job.temperature, job.seed)
    # the first attempt's stream was named so before there were several
    models = LocalModels(
        generator, job.label, job.lanes, name=lambda play: play.name.removesuffix("#0")
    )
    todo = [play for play in plays_of(tasks, job.attempts) if read_attempt(job.out, play) is None]
    for last in (False, True):
        failed = []
        for wave in models.waves(todo):
            ended = partial(grade, job, gated, time.monotonic())
            for play, attempt in play_all(wave, models.model, scene, job.out, ended, job.lanes):
                if attempt.status == Status.INFRA_ERROR and not last:
                    failed.append(play)
                    continue
                place(attempt_path(job.out, play), attempt.model_dump_json().encode())
                report(attempt)
        todo = failed


def grade(
    job: EvaluationJob, sandbox: Sandbox, began: float, play: Play, failure: Exception | None
) -> tuple[Play, Attempt]:
    """The outcome of a play that is over; `began`: when it did, by the monotonic clock.

    The sandbox's own failure is an infrastructure error; any other is raised.
    """
    if failure is not None and not isinstance(failure, SandboxError | OSError):
        raise failure
    path = play.path(job.out)
    if not path.exists():
        raise SrftError(f"{play.name} left no run: {failure or 'no reason is known'}")
    task, run = play.task, read_run(path, play.attempt)
    if failure is None:
        outcome = grade_patch(task, run.submission, sandbox, trajectory_id=run.trajectory_id)
    else:
        reason = f"{type(failure).__name__}: {failure}"
        outcome = TestOutcome(
            run.trajectory_id, task.instance_id, Status.INFRA_ERROR, reason=reason
        )
    attempt = Attempt(
        instance_id=task.instance_id,
        attempt=play.attempt,
        trajectory_id=run.trajectory_id,
        status=outcome.status.value,
        reason=outcome.reason,
        f2p_passed=outcome.f2p_passed,
        f2p_total=outcome.f2p_total,
        p2p_passed=outcome.p2p_passed,
        p2p_total=outcome.p2p_total,
        seconds=round(time.monotonic() - began, 3),
    )
    return play, attempt


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    return run_job(
        arguments, "srft_assets.rollouts.evaluation", "evaluation", EvaluationJob, _whole
    )


def _whole(job: EvaluationJob) -> None:
    """Play and grade all tasks of the job; `result.json` in its folder says that all is done."""
    began = time.monotonic()
    sandbox = open_sandbox(job.unsafe)
    lines = job.tasks.read_bytes().splitlines()
    tasks = [TaskInstance.model_validate_json(line) for line in lines]
    checkpoint = load_checkpoint(job.checkpoint)
    loaded = time.monotonic()
    done = resolved = 0

    def tell() -> None:
        line = orjson.dumps({"step": done, "of": len(tasks) * job.attempts, "resolved": resolved})
        print(line.decode(), flush=True)

    def report(attempt: Attempt) -> None:
        nonlocal done, resolved
        done += 1
        resolved += attempt.status == Status.RESOLVED
        tell()

    tell()
    evaluate(job, tasks, checkpoint, sandbox, report)
    ended = time.monotonic()
    facts = {"load_seconds": round(loaded - began, 3), "play_seconds": round(ended - loaded, 3)}
    place(job.out / RESULT, orjson.dumps(facts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
