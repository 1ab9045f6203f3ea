"""SWE-Gym/OpenHands-Sampled-Trajectories rows: `run_id` names a sweep, not a run."""

from typing import Any

from srft_assets.trajectories.fields import section, text
from srft_assets.trajectories.formats.messages import chat_column, read_row
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Source

NAME = "swe-gym-openhands"


def detect(record: Any, hint: str) -> bool:
    """A chat with a `run_id`."""
    return chat_column(record) == "messages" and "run_id" in record


def read(record: Any, source: Source) -> Trajectory:
    """The run of one row. The model is the head of `run_id`. Raises RecordError."""
    if not isinstance(record, dict):
        return read_row(record, source, NAME)
    run = text(record, "run_id")
    head, mark, _ = (run or "").partition("_maxiter")
    stated = {
        "model": head if mark else text(record, "model"),
        "submission": text(section(record, "test_result"), "git_patch"),
        "stated_id": run,
    }
    return read_row(record, source, NAME, "openhands", **stated)
