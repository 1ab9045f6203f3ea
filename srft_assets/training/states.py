"""Resumable states of an unfinished training: which is the last whole one."""

import re
import shutil
from pathlib import Path
from zipfile import is_zipfile

import orjson

from srft_assets.training.job import TrainingJob

STATE = re.compile(r"checkpoint-(\d+)")


def last_whole_state(folder: Path, ranks: int = 1) -> Path | None:
    """The newest state below `folder` that was written to its end; broken newer ones are removed.

    The first process writes `trainer_state.json` last, and not atomically: a killed writer leaves
    either no such file or a torn one. The other ones write their random state, each when it can.
    """
    found = [path for path in folder.glob("checkpoint-*") if STATE.fullmatch(path.name)]
    for path in sorted(found, key=lambda path: int(path.name.partition("-")[2]), reverse=True):
        if _is_whole(path, ranks):
            return path
        shutil.rmtree(path)
    return None


def _is_whole(state: Path, ranks: int) -> bool:
    path = state / "trainer_state.json"
    others = [state / f"rng_state_{rank}.pth" for rank in range(ranks)] if ranks > 1 else []
    if not path.exists() or not all(is_zipfile(other) for other in others):
        return False
    try:
        return isinstance(orjson.loads(path.read_bytes()), dict)
    except orjson.JSONDecodeError:
        return False


def open_partial(job: TrainingJob, ranks: int = 1) -> None:
    """Make the folder of the unfinished training.

    A state of another job in it, or of another number of processes, is thrown away.
    """
    mark = job.partial / "identity"
    identity = job.identity if ranks == 1 else f"{job.identity} {ranks}"
    if job.partial.exists() and (not mark.exists() or mark.read_text() != identity):
        shutil.rmtree(job.partial)
    job.partial.mkdir(parents=True, exist_ok=True)
    mark.write_text(identity)
