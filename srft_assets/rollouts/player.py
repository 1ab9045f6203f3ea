"""The collector of `rollout` batches, and the process that it starts to play what a batch lacks:
`python -m srft_assets.rollouts.player job.json`.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 40, "label": …}`; a failure is
one line on standard error and exit code 1.
"""

import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from srft_assets.agent.play import Play, missing, play_all, plays_of, readable
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.outcomes.task import TaskInstance, rows_digest, tasks_path, write_tasks
from srft_assets.processes.child import python, run_job
from srft_assets.processes.locks import exclusive
from srft_assets.project.settings import settings
from srft_assets.rollouts.batch import tasks_of
from srft_assets.rollouts.environments import SANDBOXED, scene_of
from srft_assets.rollouts.images import CONTAINERS, left_by, owner_of, remove
from srft_assets.rollouts.models import AskedModels, Models, opened
from srft_assets.rollouts.preflight import NoServerError, listed
from srft_assets.rollouts.settings import LabTasks, RolloutSettings, parse_settings
from srft_assets.sandbox import open_sandbox
from srft_assets.warehouse.stage import Work

ROWS = ".rows.json"
"""Behind the name of a folder of runs: the file that tells which rows were played there."""
MANY = 3
"""So many crashes, and no run that came to its end, are no accident."""


class BatchJob(BaseModel):
    """What the process is told."""

    model_config = ConfigDict(extra="forbid")

    home: Path
    """Root of the platform."""
    batch: str
    label: str = ""
    """Before its progress; by default the batch."""
    out: Path
    """Folder of the run files."""
    log: Path
    """What a model server of ours prints."""
    settings: RolloutSettings
    unsafe: bool = False


def collect(work: Work, manifest: dict[str, Any]) -> Path:
    """Play the batch; returns the folder of its `.traj.json` files.

    A run that came to its end is never played twice, also where attempts or generated tasks were
    added since. Runs that crashed are kept, and played again. Raises SrftError for bad settings,
    for a model that cannot be had, and where nothing at all was played.
    """
    stated = parse_settings(manifest, work.partition)
    tasks = tasks_of(work.home, work.partition, stated)
    plays = plays_of(tasks, stated.attempts)
    out = play_missing(work, work.partition, stated, tasks, settings().launch.rollouts)
    chosen = out.with_name(f"{stated.identity}-chosen")
    with locked(out):
        unplayed = select(out, plays, chosen)
    if len(unplayed) == len(plays):
        raise SrftError(f"batch {work.partition}: no run could begin; the run's log says why")
    for name in unplayed:  # they are played when it is made again
        work.log.warning("%s could not begin", name)
    return chosen


def play_missing(
    work: Work,
    batch: str,
    stated: RolloutSettings,
    tasks: Sequence[TaskInstance],
    prefix: Sequence[str],
    label: str = "",
) -> Path:
    """Play what lacks a run that came to its end, behind the prefix; returns the folder of the run
    files, `runs` of the platform, then `batch`, then the identity of the settings.

    Raises SrftError for a model that cannot be had, and where runs crash and none ends.
    """
    out = runs_folder(work.home, batch, stated, tasks)
    if isinstance(stated.tasks, LabTasks):
        write_tasks(tasks_path(work.home, batch), list(tasks))
    plays = plays_of(tasks, stated.attempts)
    todo = missing(out, plays)
    work.log.info("%d of %d runs are to be played", len(todo), len(plays))
    if todo:
        _launch(work, batch, stated, out, prefix, label)
    return out


def runs_folder(
    home: Home, batch: str, stated: RolloutSettings, tasks: Sequence[TaskInstance]
) -> Path:
    """Where the runs lie; those of the same row that were played by the same settings when other
    rows were chosen too are copied there, with their outcomes."""
    out = home.runs / batch / stated.identity
    if isinstance(stated.tasks, LabTasks):
        return out
    rows = {task.instance_id: rows_digest([task]) for task in tasks}
    for known in sorted(out.parent.glob(f"*{ROWS}")):
        theirs, there = orjson.loads(known.read_bytes()), known.with_name(known.name[: -len(ROWS)])
        if there == out or there.name not in stated.identities_on(theirs["chosen"]):
            continue
        for play in missing(out, plays_of(tasks, stated.attempts)):
            name = play.task.instance_id
            if theirs["rows"].get(name) == rows[name] and play.path(there).exists():
                for path in (play.path(there), *outcome_paths(there, play)):
                    place(play.folder(out) / path.name, path.read_bytes())
    place(out.with_name(out.name + ROWS), orjson.dumps({"chosen": stated.tasks.rows, "rows": rows}))
    return out


def outcome_paths(out: Path, play: Play) -> list[Path]:
    """What graders reached of a play, a file for each grader."""
    named = re.escape(play.task.instance_id) + r"\.[0-9a-f]{8}\.outcome\.json"
    return [
        path for path in play.folder(out).glob("*.outcome.json") if re.fullmatch(named, path.name)
    ]


def _launch(
    work: Work, batch: str, stated: RolloutSettings, out: Path, prefix: Sequence[str], label: str
) -> None:
    unsafe = settings().unsafe
    if stated.environment in SANDBOXED and not prefix:
        open_sandbox(unsafe)
    job = BatchJob(
        home=work.home.root,
        batch=batch,
        label=label,
        out=out,
        log=work.home.logs / f"rollout-{batch.replace('/', '-')}.log",
        settings=stated,
        unsafe=unsafe,
    )
    path = out.with_suffix(".job.json")
    place(path, job.model_dump_json(indent=2).encode())
    try:
        work.launch(python("srft_assets.rollouts.player", str(path)), {}, prefix)
    finally:
        with locked(out, wait=False) as over:
            if over and stated.environment in CONTAINERS and not prefix:
                left = left_by(owner_of(work.home, batch), stated.environment)
                remove(left, stated.environment)


def locked(out: Path, wait: bool = True) -> AbstractContextManager[bool]:
    """Hold the lock of the runs in `out`; see `exclusive`."""
    return exclusive(out.parent / f".{out.name}.lock", wait=wait)


def select(out: Path, plays: Sequence[Play], chosen: Path) -> list[str]:
    """Make `chosen` a folder of links to the run files of `plays`; the names of those without."""
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    unplayed = []
    for play in plays:
        if play.path(out).exists():
            play.path(chosen).parent.mkdir(exist_ok=True)
            os.link(play.path(out), play.path(chosen))
        else:
            unplayed.append(play.name)
    return unplayed


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    return run_job(arguments, "srft_assets.rollouts.player", "rollouts", BatchJob, play)


def play(job: BatchJob) -> None:
    """Play whatever lacks a run; a crash is kept as a run, and the others go on.

    Another process that plays the same is waited for: the orphan of a killed one may still be at
    work, and runs cost money. Raises SrftError where runs crash and none comes to its end: a
    server that is down, a wrong key.
    """
    home, settings = Home(job.home), job.settings
    with locked(job.out), cleared(home, job.batch, settings.environment):
        plays = plays_of(tasks_of(home, job.batch, settings), settings.attempts)
        todo = missing(job.out, plays)
        label = job.label or f"{job.batch}: rollouts"
        there, crashed, in_a_row = len(plays) - len(todo), 0, 0
        line = {"step": there, "of": len(plays), "label": label, "crashed": 0}
        _tell(line)
        begun = {play.name: play.path(job.out) for play in todo}
        with opened(settings, home, job.log, lambda said: _tell({"server": said})) as models:
            for over, (name, crash) in enumerate(_played(models, job, home, todo), start=1):
                # One that could not begin leaves no file, and says nothing of the others.
                crashed += bool(crash) and begun[name].exists()
                in_a_row = in_a_row + 1 if crash else 0
                if crash:
                    print(f"{name} crashed: {crash}", flush=True)
                _tell({**line, "step": there + over, "crashed": crashed})
                if not there and crashed == over >= max(MANY, settings.workers):
                    raise SrftError(
                        f"batch {job.batch}: {crashed} runs crashed and none came to its end; "
                        f"the last one: {crash}"
                    )
                if in_a_row >= MANY:
                    _check_server(models, job.batch)


@contextmanager
def cleared(home: Home, batch: str, environment: str) -> Iterator[None]:
    """Remove the containers that a killed process left, and our own where we get SIGTERM: on a node
    nobody else does."""
    if environment not in CONTAINERS:
        yield
        return

    def clear() -> None:
        remove(left_by(owner_of(home, batch), environment), environment)

    def end(number: int, _: FrameType | None) -> None:
        try:
            clear()
        finally:
            os._exit(128 + number)

    clear()
    alone = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, end) if alone else None
    try:
        yield
    finally:
        if alone:
            signal.signal(signal.SIGTERM, before)


def _check_server(models: Models, batch: str) -> None:
    """Raises SrftError where crashes come from a server that is there no longer: every further
    run would crash, after all its retries."""
    if isinstance(models, AskedModels) and models.endpoint.base_url:
        try:
            listed(models.endpoint.base_url, models.key)
        except NoServerError as error:
            raise SrftError(
                f"batch {batch}: {error}; what came to its end stays, start again"
            ) from None
        except SrftError:
            return  # it answers, if no list of models


def _played(
    models: Models, job: BatchJob, home: Home, plays: Sequence[Play]
) -> Iterator[tuple[str, str]]:
    """The name of each play that is over, and why it crashed if it did."""

    def crash_of(play: Play, failure: Exception | None) -> tuple[str, str]:
        if failure is None:
            return play.name, ""
        told = str(readable(" ".join(f"{type(failure).__name__}: {failure}".split())))
        for secret in models.secrets:
            told = told.replace(secret, "***")
        return play.name, told[:500]

    stated = job.settings
    scene = partial(scene_of, settings=stated, home=home, batch=job.batch, unsafe=job.unsafe)
    for wave in models.waves(plays):
        yield from play_all(
            wave, models.model, scene, job.out, crash_of, stated.workers, models.secrets
        )


def _tell(line: object) -> None:
    print(orjson.dumps(line).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
