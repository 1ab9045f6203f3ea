"""The collector of `rollout` batches: a model plays tasks, what is missing of them."""

import os
from pathlib import Path
from typing import Any

import orjson

from srft_assets.child import python
from srft_assets.errors import SrftError
from srft_assets.outcomes.grading import tasks_path
from srft_assets.rollouts.batch.containers import left_by, owner_of, remove
from srft_assets.rollouts.batch.folder import Place, alone, places_of, played_path, select, tasks_of
from srft_assets.rollouts.batch.main import BatchJob
from srft_assets.rollouts.batch.playing import missing
from srft_assets.rollouts.batch.settings import LabTasks, RolloutSettings, parse_settings
from srft_assets.sandbox import open_sandbox
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.stage import Work

MAIN = "srft_assets.rollouts.batch.main"


def collect(work: Work, settings: dict[str, Any]) -> Path:
    """Play the batch; returns the folder of its `.traj.json` files.

    A run that came to its end is never played twice, also where attempts or generated tasks were
    added since. Runs that crashed are kept, and played again. Raises SrftError for bad settings,
    for a model that cannot be had, and where nothing at all was played.
    """
    stated = parse_settings(settings, work.partition)
    tasks = tasks_of(work.home, work.partition, stated)
    places = places_of(tasks, stated.attempts)
    folder = work.home.runs / work.partition
    out = folder / stated.identity
    if isinstance(stated.tasks, LabTasks):
        rows = [orjson.dumps(task.model_dump(by_alias=True)) for task in tasks]
        place(tasks_path(work.home, work.partition), b"\n".join(rows) + b"\n")
    todo = missing(out, places)
    work.log.info("%d of %d runs are to be played", len(todo), len(places))
    if todo:
        _launch(work, stated, out)
    chosen = folder / f"{stated.identity}-chosen"
    with alone(out):
        select(out, places, chosen)
    _tell_unplayed(work, out, places)
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
        work.launch(python(MAIN, str(path)), {})
    finally:
        with alone(out, wait=False) as over:
            if over and stated.environment == "docker":
                remove(left_by(owner_of(work.home, work.partition)))


def _tell_unplayed(work: Work, out: Path, places: list[Place]) -> None:
    """Runs that could not even begin left no file: they are played when it is made again."""
    unplayed = [place.name for place in places if not played_path(out, place).exists()]
    if len(unplayed) == len(places):
        raise SrftError(f"batch {work.partition}: no run could begin; the run's log says why")
    for name in unplayed:
        work.log.warning("%s could not begin", name)
