"""`python -m srft_assets.rollouts.evaluation job.json`: a checkpoint plays held-out tasks; its runs
and their outcomes are left in the job's folder.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 40, "resolved": 1}`; a failure
is one line on standard error and exit code 1.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from srft_assets.agent.play import Play, Told, play_all, plays_of, sandboxed
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.outcomes.sandbox_grader import GRADER, grade_patch
from srft_assets.outcomes.status import Status, TestOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.processes.child import run_job
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.sandbox import Completed, Limits, Sandbox, SandboxError, open_sandbox
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory, trajectory_id

RESULT = "result.json"
"""Figures of the last playing; it is there once everything was played and graded."""
SCAFFOLD = "mini-swe-agent"


class EvaluationJob(BaseModel):
    """One evaluation of one checkpoint.

    `out` is the folder of the runs; what is finished there is not played again.
    """

    model_config = ConfigDict(extra="forbid")

    label: str
    """Arm and seed, as the run files name the model."""
    checkpoint: Path
    tasks: Path
    """JSON lines of TaskInstance."""
    out: Path
    step_limit: int
    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    """Of sampling, where the temperature is not 0."""
    attempts: int = Field(default=1, ge=1)
    """Runs of each task; each samples from a stream of its own."""
    lanes: int = 64
    """Runs played at the same time."""
    command_seconds: float = 20.0
    unsafe: bool = False


class Attempt(BaseModel):
    """The outcome of one attempt; the columns of `eval_scores` besides those of the run."""

    instance_id: str
    attempt: int = 0
    trajectory_id: str
    status: str
    reason: str
    f2p_passed: int | None
    f2p_total: int | None
    p2p_passed: int | None
    p2p_total: int | None
    seconds: float | None
    grader: str = GRADER


def attempt_path(out: Path, play: Play) -> Path:
    """Written after the run was graded: an attempt with this file is finished."""
    return play.folder(out) / f"{play.task.instance_id}.outcome.json"


def read_attempt(out: Path, play: Play) -> Attempt | None:
    """The finished attempt; None where there is none yet."""
    path = attempt_path(out, play)
    return Attempt.model_validate_json(path.read_bytes()) if path.exists() else None


def read_result(out: Path) -> dict[str, Any]:
    """The figures of the last playing; none where it was killed at its very end."""
    path = out / RESULT
    return orjson.loads(path.read_bytes()) if path.exists() else {}


def read_run(path: Path, attempt: int = 0) -> Trajectory:
    """The run of one `.traj.json` file that `agent.play` wrote; its source is the file's name.

    Attempts that went word for word alike are runs of their own, with ids of their own.
    """
    record = orjson.loads(path.read_bytes())
    run = read_record(record, source=path.name, row=0)
    if attempt:
        stated = f"{run.trajectory_id}#{attempt}"
        run.trajectory_id = trajectory_id(run.instance_id, stated, [], SCAFFOLD)
    return run


class GatedSandbox:
    """A sandbox that runs few commands at a time, so that waiting for a CPU is no timeout."""

    def __init__(self, sandbox: Sandbox, gate: threading.Semaphore | None = None) -> None:
        self.name = sandbox.name
        self._sandbox = sandbox
        self._gate = gate or threading.Semaphore(2 * (os.cpu_count() or 1))

    def run(self, command: str, **bounds: Any) -> Completed:
        """As the sandbox does, after waiting for a turn."""
        with self._gate:
            return self._sandbox.run(command, **bounds)

    @contextmanager
    def entered(self, workdir: Path, limits: Limits | None = None) -> Iterator[Sandbox]:
        """One sandbox for a run, whose commands wait for a turn."""
        with ExitStack() as held:
            with self._gate:
                inside = held.enter_context(self._sandbox.entered(workdir, limits))
            yield GatedSandbox(inside, self._gate)


def evaluate(
    job: EvaluationJob,
    tasks: Sequence[TaskInstance],
    checkpoint: Checkpoint,
    sandbox: Sandbox,
    report: Callable[[Attempt], None],
) -> None:
    """Play and grade what is not finished; every attempt is on disk before it is reported.

    Attempts that failed for the sandbox's or grader's own fault are played a second time. Raises
    what the generation raised: the attempts that it ended do not count; and, at the end, SrftError
    for those whose sandbox did not start twice.
    """
    from srft_assets.rollouts.batcher import LocalModels
    from srft_assets.rollouts.generator import Generator

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
                begun = play.path(job.out).exists()
                if attempt.status == Status.INFRA_ERROR and not (last and begun):
                    failed.append(play)
                    reason = attempt.reason
                    continue
                place(attempt_path(job.out, play), attempt.model_dump_json().encode())
                report(attempt)
        todo = failed
    if todo:
        raise SrftError(f"{len(todo)} attempts did not begin, the last for: {reason}; start again")


def grade(
    job: EvaluationJob, sandbox: Sandbox, began: float, play: Play, failure: Exception | None
) -> tuple[Play, Attempt]:
    """The outcome of a play that is over; `began`: when it did, by the monotonic clock.

    The sandbox's own failure is an infrastructure error; any other is raised.
    """
    if failure is not None and not isinstance(failure, SandboxError | OSError):
        raise failure
    path = play.path(job.out)
    if not path.exists() and failure is None:
        raise SrftError(f"{play.name} left no run: no reason is known")
    task, run = play.task, read_run(path, play.attempt) if path.exists() else None
    if failure is None and run is not None:
        outcome = grade_patch(task, run.submission, sandbox, trajectory_id=run.trajectory_id)
    else:
        reason = f"{type(failure).__name__}: {failure}"
        known = run.trajectory_id if run else ""
        outcome = TestOutcome(known, task.instance_id, Status.INFRA_ERROR, reason=reason)
    attempt = Attempt(
        instance_id=task.instance_id,
        attempt=play.attempt,
        trajectory_id=outcome.trajectory_id,
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
    """Play and grade what is left of the job's tasks; `result.json` in its folder tells of it."""
    began = time.monotonic()
    sandbox = open_sandbox(job.unsafe)
    lines = job.tasks.read_bytes().splitlines()
    tasks = [TaskInstance.model_validate_json(line) for line in lines]
    checkpoint = load_checkpoint(job.checkpoint)
    loaded = time.monotonic()
    plays = plays_of(tasks, job.attempts)
    there = [known for play in plays if (known := read_attempt(job.out, play))]
    done, resolved = len(there), sum(known.status == Status.RESOLVED for known in there)

    def tell() -> None:
        line = orjson.dumps({"step": done, "of": len(plays), "resolved": resolved})
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
