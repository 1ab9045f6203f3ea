"""What an evaluation process is told, and what it leaves in its folder: runs and outcomes."""

from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from srft_assets.agent.play import Play
from srft_assets.outcomes.sandbox_grader import GRADER
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory, trajectory_id

RESULT = "result.json"
"""Figures of the whole; it is there once everything is played and graded."""
SCAFFOLD = "mini-swe-agent"


class EvaluationJob(BaseModel):
    """One evaluation of one checkpoint.

    `out` is the folder of the runs; what is finished there is not played again.
    """

    model_config = ConfigDict(extra="forbid")

    label: str
    """Arm and seed, as the run files name the model."""
    checkpoint: Path
    tasks: Path
    """JSON lines of TaskInstance."""
    out: Path
    step_limit: int
    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    """Of sampling, where the temperature is not 0."""
    attempts: int = Field(default=1, ge=1)
    """Runs of each task; each samples from a stream of its own."""
    lanes: int = 64
    """Runs played at the same time."""
    command_seconds: float = 20.0
    unsafe: bool = False


class Attempt(BaseModel):
    """The outcome of one attempt; the columns of `eval_scores` besides those of the run."""

    instance_id: str
    attempt: int = 0
    trajectory_id: str
    status: str
    reason: str
    f2p_passed: int | None
    f2p_total: int | None
    p2p_passed: int | None
    p2p_total: int | None
    seconds: float
    grader: str = GRADER


def attempt_path(out: Path, play: Play) -> Path:
    """Written after the run was graded: an attempt with this file is finished."""
    return play.folder(out) / f"{play.task.instance_id}.outcome.json"


def read_attempt(out: Path, play: Play) -> Attempt | None:
    """The finished attempt; None where there is none yet."""
    path = attempt_path(out, play)
    return Attempt.model_validate_json(path.read_bytes()) if path.exists() else None


def read_result(out: Path) -> dict[str, Any] | None:
    """The figures of a finished evaluation; None where it is not finished."""
    path = out / RESULT
    return orjson.loads(path.read_bytes()) if path.exists() else None


def read_run(path: Path, attempt: int = 0) -> Trajectory:
    """The run of one `.traj.json` file that `agent.play` wrote; its source is the file's name.

    Attempts that went word for word alike are runs of their own, with ids of their own.
    """
    record = orjson.loads(path.read_bytes())
    if any(message["role"] == "assistant" for message in record["messages"]):
        run = read_record(record, source=path.name, row=0)
    else:
        run = _run_without_turns(record, path.name)
    if attempt:
        stated = f"{run.trajectory_id}#{attempt}"
        run.trajectory_id = trajectory_id(run.instance_id, stated, [], SCAFFOLD)
    return run


def _run_without_turns(record: dict[str, Any], source: str) -> Trajectory:
    """A run in which the model never kept to the format.

    Readers refuse it, since there is nothing to learn from it; as an evaluation it counts.
    """
    info, instance_id = record["info"], record["instance_id"]
    messages = [
        {"role": message["role"], "content": message["content"]}
        for message in record["messages"]
        if message["role"] != "exit"
    ]
    return Trajectory(
        trajectory_id=trajectory_id(instance_id, None, messages, SCAFFOLD),
        instance_id=instance_id,
        scaffold=SCAFFOLD,
        format=record["trajectory_format"],
        messages=messages,
        steps=[],
        model=info["config"]["model"]["model_name"],
        exit_status=info["exit_status"],
        source=source,
    )
