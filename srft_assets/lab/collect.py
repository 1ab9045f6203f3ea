"""The collector of `lab` batches: the scripted teacher plays generated tasks in the sandbox."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from srft_assets.agent.mini import prepare_mini
from srft_assets.agent.play import play, run_path
from srft_assets.errors import SrftError
from srft_assets.extras import need
from srft_assets.lab.tasks import TaskSettings, generate_tasks
from srft_assets.lab.teacher import Rates, Teacher
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox
from srft_assets.sandbox.opening import open_sandbox
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Work

ENDS = frozenset({"Submitted", "LimitsExceeded", "TimeExceeded", "RepeatedFormatError"})
"""Exit statuses of runs that came to an end of their own; others are played again."""

VERSION = 1
"""Raised when the runs that are played change; see tools/versions.py."""


class LabSettings(BaseModel):
    """What a `lab` batch is made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(ge=1, le=1000)
    """Runs, one a task."""
    task_seed: int
    teacher_seed: int = 0
    step_limit: int = Field(default=16, ge=1)
    rates: Rates = Rates()
    tasks: TaskSettings = TaskSettings()


def collect(work: Work, settings: dict[str, Any]) -> Path:
    """Play the batch; returns the folder of its `<instance_id>.traj.json` files.

    Writes `<runs>/<batch>/tasks.jsonl` first. The folder is named by a digest of settings and
    version, and a run that came to its end is never played twice: after a crash the same call goes
    on where it stopped. Raises SrftError for bad settings, SandboxMissingError without sandbox
    (unless `SRFT_UNSAFE=1`).
    """
    need("rollout")
    stated = _settings(settings, work.partition)
    sandbox = open_sandbox(unsafe=os.environ.get("SRFT_UNSAFE") == "1")
    tasks = generate_tasks(stated.count, stated.task_seed, stated.tasks)
    batch = work.home.runs / work.partition
    rows = [orjson.dumps(task.model_dump(by_alias=True)) for task in tasks]
    place(batch / "tasks.jsonl", b"\n".join(rows) + b"\n")

    out = batch / digest({"settings": stated.model_dump(), "version": VERSION})[:12]
    out.mkdir(parents=True, exist_ok=True)
    missing = [task for task in tasks if not _ended(run_path(out, task.instance_id))]
    work.log.info("%d of %d runs are to be played", len(missing), len(tasks))
    plays = _play_all(missing, stated, sandbox, out)
    for _ in work.progress.track(plays, f"{work.partition}: teacher plays", len(missing)):
        pass
    return out


def _settings(settings: dict[str, Any], batch: str) -> LabSettings:
    try:
        return LabSettings.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SrftError(f"batch {batch}: setting {place}: {first['msg']}") from error


def _ended(path: Path) -> bool:
    if not path.exists():
        return False
    return orjson.loads(path.read_bytes())["info"]["exit_status"] in ENDS


def _play_all(
    tasks: Sequence[TaskInstance], settings: LabSettings, sandbox: Sandbox, out: Path
) -> Iterator[Path]:
    """Play in threads: the work is done by the sandbox's processes. Stops at the first error."""

    def one(task: TaskInstance) -> Path:
        teacher = Teacher(settings.teacher_seed, task.instance_id, settings.rates)
        return play(task, teacher, sandbox, out=out, step_limit=settings.step_limit)

    prepare_mini()
    pool = ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 2)), thread_name_prefix="play")
    try:
        for done in as_completed([pool.submit(one, task) for task in tasks]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)
