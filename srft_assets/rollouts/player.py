"""The collector of `rollout` batches, and the process that it starts to play what a batch lacks:
`python -m srft_assets.rollouts.player job.json`.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 40, "label": …}`; a failure is
one line on standard error and exit code 1.
"""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from srft_assets.agent.play import Play, missing, play_all, plays_of, readable
from srft_assets.child import python, run_job
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.locks import exclusive
from srft_assets.outcomes.task import tasks_path
from srft_assets.rollouts.batch import tasks_of
from srft_assets.rollouts.environments import left_by, owner_of, remove, scene_of
from srft_assets.rollouts.models import Models, opened
from srft_assets.rollouts.settings import LabTasks, RolloutSettings, parse_settings
from srft_assets.sandbox import open_sandbox
from srft_assets.warehouse.stage import Work

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


def collect(work: Work, settings: dict[str, Any]) -> Path:
    """Play the batch; returns the folder of its `.traj.json` files.

    A run that came to its end is never played twice, also where attempts or generated tasks were
    added since. Runs that crashed are kept, and played again. Raises SrftError for bad settings,
    for a model that cannot be had, and where nothing at all was played.
    """
    stated = parse_settings(settings, work.partition)
    tasks = tasks_of(work.home, work.partition, stated)
    plays = plays_of(tasks, stated.attempts)
    folder = work.home.runs / work.partition
    out = folder / stated.identity
    if isinstance(stated.tasks, LabTasks):
        rows = [orjson.dumps(task.model_dump(by_alias=True)) for task in tasks]
        place(tasks_path(work.home, work.partition), b"\n".join(rows) + b"\n")
    todo = missing(out, plays)
    work.log.info("%d of %d runs are to be played", len(todo), len(plays))
    if todo:
        _launch(work, stated, out)
    chosen = folder / f"{stated.identity}-chosen"
    with locked(out):
        select(out, plays, chosen)
    _tell_unplayed(work, out, plays)
    return chosen


def _launch(work: Work, stated: RolloutSettings, out: Path) -> None:
    unsafe = os.environ.get("SRFT_UNSAFE") == "1"
    if stated.environment != "docker":
        open_sandbox(unsafe)
    job = BatchJob(
        home=work.home.root,
        batch=work.partition,
        out=out,
        log=work.home.logs / f"rollout-{work.partition}.log",
        settings=stated,
        unsafe=unsafe,
    )
    path = out.with_suffix(".job.json")
    place(path, job.model_dump_json(indent=2).encode())
    try:
        work.launch(python("srft_assets.rollouts.player", str(path)), {})
    finally:
        with locked(out, wait=False) as over:
            if over and stated.environment == "docker":
                remove(left_by(owner_of(work.home, work.partition)))


def _tell_unplayed(work: Work, out: Path, plays: list[Play]) -> None:
    """Runs that could not even begin left no file: they are played when it is made again."""
    unplayed = [play.name for play in plays if not play.path(out).exists()]
    if len(unplayed) == len(plays):
        raise SrftError(f"batch {work.partition}: no run could begin; the run's log says why")
    for name in unplayed:
        work.log.warning("%s could not begin", name)


def locked(out: Path, wait: bool = True) -> AbstractContextManager[bool]:
    """Hold the lock of the runs in `out`; see `exclusive`."""
    return exclusive(out.parent / f".{out.name}.lock", wait=wait)


def select(out: Path, plays: Sequence[Play], chosen: Path) -> None:
    """Make `chosen` a folder of links to the run files of `plays`, and of nothing else."""
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    for play in plays:
        if play.path(out).exists():
            play.path(chosen).parent.mkdir(exist_ok=True)
            os.link(play.path(out), play.path(chosen))


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    return run_job(arguments, "srft_assets.rollouts.player", "rollouts", BatchJob, play)


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
