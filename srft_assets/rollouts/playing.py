"""All held-out tasks played at once by one checkpoint, and graded."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from srft_assets.agent.mini import prepare_mini
from srft_assets.agent.play import play, run_path
from srft_assets.errors import SrftError
from srft_assets.outcomes.local import grade_patch
from srft_assets.outcomes.model import Status, TestOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.batcher import Batcher
from srft_assets.rollouts.checkpoint import Checkpoint
from srft_assets.rollouts.gate import GatedSandbox
from srft_assets.rollouts.generator import Generator
from srft_assets.rollouts.job import Attempt, EvaluationJob, attempt_path, read_attempt
from srft_assets.rollouts.keeping import read_run
from srft_assets.rollouts.model import SharedModel
from srft_assets.sandbox import Sandbox, SandboxError
from srft_assets.warehouse.placing import place

Report = Callable[[Attempt], None]
"""Hears of every attempt that was played and graded."""


class Run(NamedTuple):
    """One attempt at one task."""

    task: TaskInstance
    attempt: int

    @property
    def name(self) -> str:
        """What the batcher knows it by; names the stream of its samples."""
        instance = self.task.instance_id
        return f"{instance}#{self.attempt}" if self.attempt else instance


def play_all(
    job: EvaluationJob,
    tasks: Sequence[TaskInstance],
    checkpoint: Checkpoint,
    sandbox: Sandbox,
    report: Report,
) -> None:
    """Play and grade what is not finished; every attempt is on disk before it is reported.

    Attempts that failed for the sandbox's or grader's own fault are played a second time. Raises
    what the generation raised: then no attempt is counted.
    """
    prepare_mini()
    gated = GatedSandbox(sandbox)
    runs = [Run(task, attempt) for attempt in range(job.attempts) for task in tasks]
    todo = [run for run in runs if read_attempt(job.out, run.task.instance_id, run.attempt) is None]
    for last in (False, True):
        failed = []
        for start in range(0, len(todo), job.lanes):
            wave = todo[start : start + job.lanes]
            for run, attempt in _play_wave(job, wave, checkpoint, gated):
                if attempt.status == Status.INFRA_ERROR and not last:
                    failed.append(run)
                    continue
                content = attempt.model_dump_json().encode()
                place(attempt_path(job.out, run.task.instance_id, run.attempt), content)
                report(attempt)
        todo = failed


def _play_wave(
    job: EvaluationJob, wave: Sequence[Run], checkpoint: Checkpoint, sandbox: Sandbox
) -> list[tuple[Run, Attempt]]:
    """Runs that are played side by side, a thread each, in batches of all that still play."""
    generator = Generator(
        checkpoint, job.max_new_tokens, job.temperature, job.seed, batch_size=job.lanes
    )
    batcher = Batcher(generator.answer, [run.name for run in wave])

    def one(run: Run) -> tuple[Run, Attempt]:
        began = time.monotonic()
        room = checkpoint.context - job.max_new_tokens
        model = SharedModel(job.label, run.name, batcher, checkpoint.tokenizer, room)
        try:
            failure = _play(job, run, model, sandbox)
        finally:
            batcher.leave(run.name)
        return run, _grade(job, run, sandbox, failure, time.monotonic() - began)

    with ThreadPoolExecutor(max(1, len(wave)), thread_name_prefix="play") as pool:
        return [done.result() for done in as_completed([pool.submit(one, run) for run in wave])]


def _play(job: EvaluationJob, run: Run, model: SharedModel, sandbox: Sandbox) -> str | None:
    """Play one run to its file; the sandbox's own failure is returned, not raised."""
    try:
        play(
            run.task,
            model,
            sandbox,
            out=job.out,
            attempt=run.attempt,
            step_limit=job.step_limit,
            command_seconds=job.command_seconds,
        )
    except (SandboxError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _grade(
    job: EvaluationJob, played: Run, sandbox: Sandbox, failure: str | None, seconds: float
) -> Attempt:
    task = played.task
    path = run_path(job.out, task.instance_id, played.attempt)
    if not path.exists():
        raise SrftError(f"{played.name} left no run: {failure or 'no reason is known'}")
    run = read_run(path, played.attempt)
    if failure is None:
        began = time.monotonic()
        outcome = grade_patch(task, run.submission, sandbox, trajectory_id=run.trajectory_id)
        seconds += time.monotonic() - began
    else:
        outcome = TestOutcome(
            run.trajectory_id, task.instance_id, Status.INFRA_ERROR, reason=failure
        )
    return Attempt(
        instance_id=task.instance_id,
        attempt=played.attempt,
        trajectory_id=run.trajectory_id,
        status=outcome.status.value,
        reason=outcome.reason,
        f2p_passed=outcome.f2p_passed,
        f2p_total=outcome.f2p_total,
        p2p_passed=outcome.p2p_passed,
        p2p_total=outcome.p2p_total,
        seconds=round(seconds, 3),
    )
