"""`python -m srft_assets.rollouts.main job.json`: one evaluation in a process of its own.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 40, "resolved": 1}`; a failure
is one line on standard error and exit code 1.
"""

import sys
import time

import orjson

from srft_assets.child import run_job
from srft_assets.outcomes.model import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.checkpoint import load_checkpoint
from srft_assets.rollouts.job import Attempt, EvaluationJob, write_result
from srft_assets.rollouts.playing import play_all
from srft_assets.sandbox import open_sandbox


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    return run_job(arguments, "srft_assets.rollouts.main", "evaluation", EvaluationJob, evaluate)


def evaluate(job: EvaluationJob) -> None:
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
        sys.stdout.write(line.decode() + "\n")
        sys.stdout.flush()

    def report(attempt: Attempt) -> None:
        nonlocal done, resolved
        done += 1
        resolved += attempt.status == Status.RESOLVED
        tell()

    tell()
    play_all(job, tasks, checkpoint, sandbox, report)
    ended = time.monotonic()
    write_result(
        job.out,
        {"load_seconds": round(loaded - began, 3), "play_seconds": round(ended - loaded, 3)},
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
