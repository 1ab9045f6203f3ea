"""`python -m srft_assets.rollouts.batch.main job.json`: plays what a batch lacks.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 40, "label": …}`; a failure is
one line on standard error and exit code 1.
"""

import sys
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict

from srft_assets.child import run_job
from srft_assets.home import Home
from srft_assets.rollouts.batch.containers import left_by, owner_of, remove
from srft_assets.rollouts.batch.folder import alone, places_of, tasks_of
from srft_assets.rollouts.batch.models import opened
from srft_assets.rollouts.batch.playing import Ended, Playing, missing
from srft_assets.rollouts.batch.settings import RolloutSettings


class BatchJob(BaseModel):
    """What the process is told."""

    model_config = ConfigDict(extra="forbid")

    home: Path
    """Root of the platform."""
    batch: str
    out: Path
    """Folder of the run files."""
    log: Path
    """What a model server of ours prints."""
    settings: RolloutSettings
    unsafe: bool = False


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    return run_job(arguments, "srft_assets.rollouts.batch.main", "rollouts", BatchJob, play)


def play(job: BatchJob) -> None:
    """Play every place that lacks a run.

    Another process that plays the same is waited for: the orphan of a killed one may still be at
    work, and runs cost money.
    """
    with alone(job.out):
        if job.settings.environment == "docker":
            remove(left_by(owner_of(Home(job.home), job.batch)))
        _play(job)


def _play(job: BatchJob) -> None:
    home = Home(job.home)
    places = places_of(tasks_of(home, job.batch, job.settings), job.settings.attempts)
    todo = missing(job.out, places)
    done = len(places) - len(todo)
    crashed = 0

    def tell(line: object) -> None:
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
        sys.stdout.flush()

    def report(ended: Ended) -> None:
        nonlocal done, crashed
        done += 1
        crashed += bool(ended.crash)
        if ended.crash:
            sys.stdout.write(f"{ended.place.name} crashed: {ended.crash}\n")
        show()

    def show() -> None:
        label = f"{job.batch}: rollouts"
        tell({"step": done, "of": len(places), "label": label, "crashed": crashed})

    show()
    with opened(job.settings, home, job.log, lambda line: tell({"server": line})) as players:
        playing = Playing(home, job.batch, job.settings, players, job.out, job.unsafe)
        playing.play(todo, report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
