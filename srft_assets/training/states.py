"""Resumable states of an unfinished training: which is the last whole one."""

import re
import shutil
from pathlib import Path

import orjson

from srft_assets.training.job import TrainingJob

STATE = re.compile(r"checkpoint-(\d+)")


def last_whole_state(folder: Path) -> Path | None:
    """The newest state below `folder` that was written to its end; broken newer ones are removed.

    transformers writes `trainer_state.json` last, and not atomically: a killed writer leaves
    either no such file or a torn one.
    """
    found = [path for path in folder.glob("checkpoint-*") if STATE.fullmatch(path.name)]
    for path in sorted(found, key=lambda path: int(path.name.partition("-")[2]), reverse=True):
        if _is_whole(path):
            return path
        shutil.rmtree(path)
    return None


def _is_whole(state: Path) -> bool:
    path = state / "trainer_state.json"
    if not path.exists():
        return False
    try:
        return isinstance(orjson.loads(path.read_bytes()), dict)
    except orjson.JSONDecodeError:
        return False


def open_partial(job: TrainingJob) -> None:
    """Make the folder of the unfinished training; a state of another job in it is thrown away."""
    mark = job.partial / "identity"
    if job.partial.exists() and (not mark.exists() or mark.read_text() != job.identity):
        shutil.rmtree(job.partial)
    job.partial.mkdir(parents=True, exist_ok=True)
    mark.write_text(job.identity)
