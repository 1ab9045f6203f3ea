"""The collector of `lab` batches: the scripted teacher plays generated tasks in the sandbox."""

import os
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from srft_assets.agent.play import Play, Told, missing, play_all, plays_of, sandboxed
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.lab.tasks import TaskSettings, generate_tasks
from srft_assets.lab.teacher import Rates, Teacher
from srft_assets.plugins import need
from srft_assets.sandbox.detection import open_sandbox
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Work

COMMAND_SECONDS = 30.0
"""Time of one command of the teacher's."""

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
    todo = missing(out, plays_of(tasks, 1))
    work.log.info("%d of %d runs are to be played", len(todo), len(tasks))

    def teacher(play: Play) -> AbstractContextManager[Teacher]:
        name = play.task.instance_id
        return nullcontext(Teacher(stated.teacher_seed, name, stated.rates))

    told = Told(steps=stated.step_limit)
    scene = partial(sandboxed, sandbox=sandbox, seconds=COMMAND_SECONDS, told=told)
    plays = play_all(todo, teacher, scene, out, _stop_at, max(2, min(4, os.cpu_count() or 2)))
    for _ in work.progress.track(plays, f"{work.partition}: teacher plays", len(todo)):
        pass
    return out


def _settings(settings: dict[str, Any], batch: str) -> LabSettings:
    try:
        return LabSettings.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SrftError(f"batch {batch}: setting {place}: {first['msg']}") from error


def _stop_at(play: Play, failure: Exception | None) -> None:
    if failure is not None:
        raise failure
