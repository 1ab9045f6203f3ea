"""The collector of `rollout` batches: a model plays tasks, what is missing of them."""

import os
from pathlib import Path
from typing import Any

import orjson

from srft_assets.agent.play import Play, missing, plays_of
from srft_assets.child import python
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.outcomes.task import tasks_path
from srft_assets.rollouts.batch.docker import left_by, owner_of, remove
from srft_assets.rollouts.batch.player import BatchJob
from srft_assets.rollouts.batch.runs import locked, select, tasks_of
from srft_assets.rollouts.batch.settings import LabTasks, RolloutSettings, parse_settings
from srft_assets.sandbox import open_sandbox
from srft_assets.warehouse.stage import Work


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
        work.launch(python("srft_assets.rollouts.batch.player", str(path)), {})
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
