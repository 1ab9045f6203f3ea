"""`python -m srft_assets.rollouts.batch.player job.json`: plays what a batch lacks.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 40, "label": …}`; a failure is
one line on standard error and exit code 1.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict

from srft_assets.agent.play import Play, missing, play_all, plays_of, readable
from srft_assets.child import run_job
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.rollouts.batch.docker import left_by, owner_of, remove
from srft_assets.rollouts.batch.environments import scene_of
from srft_assets.rollouts.batch.models import Models, opened
from srft_assets.rollouts.batch.runs import locked, tasks_of
from srft_assets.rollouts.batch.settings import RolloutSettings

MANY = 3
"""So many crashes, and no run that came to its end, are no accident."""


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
    return run_job(arguments, "srft_assets.rollouts.batch.player", "rollouts", BatchJob, play)


def play(job: BatchJob) -> None:
    """Play whatever lacks a run. Raises SrftError, also where runs crash and none comes to its end.

    Another process that plays the same is waited for: the orphan of a killed one may still be at
    work, and runs cost money.
    """
    with locked(job.out):
        home = Home(job.home)
        if job.settings.environment == "docker":
            remove(left_by(owner_of(home, job.batch)))
        plays = plays_of(tasks_of(home, job.batch, job.settings), job.settings.attempts)
        todo = missing(job.out, plays)
        done, crashed = len(plays) - len(todo), 0

        def show() -> None:
            label = f"{job.batch}: rollouts"
            _tell({"step": done, "of": len(plays), "label": label, "crashed": crashed})

        def report(play: Play, crash: str) -> None:
            nonlocal done, crashed
            done += 1
            crashed += bool(crash)
            if crash:
                print(f"{play.name} crashed: {crash}", flush=True)
            show()

        show()
        with opened(job.settings, home, job.log, lambda line: _tell({"server": line})) as models:
            play_with(models, job, todo, report)


def play_with(
    models: Models, job: BatchJob, plays: Sequence[Play], report: Callable[[Play, str], None]
) -> None:
    """Play; `report` hears of every run that is over, and why it crashed if it did.

    A crash is kept as a run, and the others go on. Raises SrftError where runs crash and none
    comes to its end: a server that is down, a wrong key.
    """

    def crash_of(play: Play, failure: Exception | None) -> tuple[Play, str]:
        if failure is None:
            return play, ""
        told = str(readable(" ".join(f"{type(failure).__name__}: {failure}".split())))
        for secret in models.secrets:
            told = told.replace(secret, "***")
        return play, told[:500]

    scene = partial(
        scene_of, settings=job.settings, home=Home(job.home), batch=job.batch, unsafe=job.unsafe
    )
    workers = job.settings.workers
    crashed = finished = 0
    for wave in models.waves(plays):
        for play, crash in play_all(
            wave, models.model, scene, job.out, crash_of, workers, models.secrets
        ):
            crashed += bool(crash)
            finished += not crash
            report(play, crash)
            if not finished and crashed >= max(MANY, workers):
                raise SrftError(
                    f"batch {job.batch}: {crashed} runs crashed and none came to its end; "
                    f"the last one: {crash}"
                )


def _tell(line: object) -> None:
    print(orjson.dumps(line).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
