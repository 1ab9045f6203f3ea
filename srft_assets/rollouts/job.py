"""What an evaluation process is told, and what it leaves."""

from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from srft_assets.agent.play import attempt_folder
from srft_assets.outcomes.local import GRADER
from srft_assets.warehouse.placing import place

RESULT = "result.json"


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


def attempt_path(out: Path, instance_id: str, attempt: int = 0) -> Path:
    """Written after the run was graded: an attempt with this file is finished."""
    return attempt_folder(out, attempt) / f"{instance_id}.outcome.json"


def read_attempt(out: Path, instance_id: str, attempt: int = 0) -> Attempt | None:
    """The finished attempt; None where there is none yet."""
    path = attempt_path(out, instance_id, attempt)
    return Attempt.model_validate_json(path.read_bytes()) if path.exists() else None


def write_result(out: Path, facts: dict[str, Any]) -> None:
    """Say that all is played; `facts` are figures of the whole."""
    place(out / RESULT, orjson.dumps(facts))


def read_result(out: Path) -> dict[str, Any] | None:
    """The figures of a finished evaluation; None where it is not finished."""
    path = out / RESULT
    return orjson.loads(path.read_bytes()) if path.exists() else None
