"""A node's side of work behind a prefix: `python -m srft_assets.processes.remote FOLDER`.

FOLDER, on the shared home, says what to run, and holds a lock for as long as whoever asked for the
work lives and wants it. Nothing else is asked of what brought this process here (srun, ray, ssh):
no environment, no signal, no current folder. What ended is told in FOLDER, so that the parent knows
a command that failed from a node that was lost.
"""

import os
import signal
import socket
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.processes.guard import LOOK_SECONDS, NOT_FOUND, Tree
from srft_assets.processes.locks import is_held
from srft_assets.project.folder import load_env_file

JOB = "job.json"
WANTED = "wanted.lock"
WATCH_SECONDS = 1.0
GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL."""


class RemoteJob(BaseModel):
    """What a node is to run. The file is for this account alone.

    Attributes:
        env: what is set there beside the environment that the prefix brings.
        cwd: where it runs, if there is such a folder.
    """

    argv: list[str]
    env: dict[str, str]
    cwd: str


class Task(BaseModel):
    """One process on a node that works on the job; a prefix may start several.

    Attributes:
        code: exit code, 128 + signal; None until it ended.
        why: why it was ended from outside; empty where it ended by itself.
    """

    host: str
    code: int | None = None
    why: Literal["", "unwanted", "told"] = ""


def tasks_of(folder: Path) -> list[Task]:
    """All that have begun."""
    return [Task.model_validate_json(path.read_bytes()) for path in folder.glob("task-*.json")]


class Wanted:
    """Whether the job is still wanted: somebody holds its lock."""

    def __init__(self, folder: Path) -> None:
        self._lock = folder / WANTED
        self._looked = 0.0
        self._is = True

    def __bool__(self) -> bool:
        """Looked at once in `WATCH_SECONDS`. A folder that cannot be read for now says nothing."""
        if self._is and time.monotonic() - self._looked > WATCH_SECONDS:
            self._looked = time.monotonic()
            with suppress(OSError):
                self._is = is_held(self._lock)
        return self._is


def run(folder: Path) -> int:
    """Run the job to its end, or until it is not wanted, or SIGTERM comes; its exit code."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    job = RemoteJob.model_validate_json((folder / JOB).read_bytes())
    task, path = Task(host=socket.gethostname()), folder / f"task-{uuid.uuid4().hex}.json"
    place(path, task.model_dump_json().encode())
    os.environ.update(job.env)
    if Path(job.cwd).is_dir():
        os.chdir(job.cwd)
    wanted = Wanted(folder)
    try:
        load_env_file()
        tree = Tree(job.argv)
    except SrftError as error:
        print(f"error: {task.host}: {error}", flush=True)
        task.code = 1
    except OSError as error:
        print(f"error: {task.host}: cannot start {job.argv[0]}: {error.strerror}", flush=True)
        task.code = NOT_FOUND
    else:
        while tree.status is None and not told and wanted:
            time.sleep(LOOK_SECONDS)
            tree.reap()
        status = tree.status
        tree.end(GRACE_SECONDS)
        if status is None:
            task.why, status = "told" if told else "unwanted", -(told or [signal.SIGTERM])[0]
        task.code = status if status >= 0 else 128 - status
    with suppress(FileNotFoundError):  # whoever is gone has taken the folder along
        beside = path.with_name(f".{path.name}")
        beside.write_text(task.model_dump_json())
        beside.replace(path)
    return task.code


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
