"""What the subprocess that runs the SWE-bench harness is told, and where it leaves what."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from srft_assets.home import Home
from srft_assets.outcomes.choice import Grading
from srft_assets.outcomes.harness.assets import bad_assets
from srft_assets.outcomes.task import TaskInstance
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.recipe import digest

MODEL = "srft"
"""`model_name_or_path` of every prediction: the harness makes a folder of that name."""
LAYOUT = 1
"""Counts in run ids: another one grades everything again."""
ROW_FIELDS = ("image", "eval_script", "log_parser", "eval_type")
"""What swebench 5 wants of a row besides SWE-bench's first columns."""
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,150}")
"""Instance ids name folders and containers."""


class Prediction(BaseModel):
    """One patch to grade. Its run id is a hash of all that decides the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    instance_id: str
    patch: str


class HarnessJob(BaseModel):
    """`python -m srft_assets.outcomes.harness.main job.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    """Folder the harness runs in; its logs are in `run_folder` below it."""
    label: str
    """What the progress is called."""
    predictions: list[Prediction]
    grading: Grading
    wait_seconds: float = 2.0
    """Before the second attempt; twice as long before each further one."""


class Attempt(BaseModel):
    """How one attempt at grading a prediction ended."""

    status: str
    reason: str = ""


class Attempts(BaseModel):
    """`attempts.json` of a run: the harness has come to its end with it."""

    attempts: list[Attempt]


def harness_root(home: Home) -> Path:
    """The folder the harness runs in, for all batches of the platform."""
    return home.artifacts / "grading"


def run_folder(root: Path, run_id: str) -> Path:
    """All that the harness and we keep of one run id."""
    return root / "logs" / "run_evaluation" / run_id


def log_folder(root: Path, prediction: Prediction) -> Path:
    """Where the harness leaves report.json, test_output.txt, run_instance.log, patch.diff."""
    return run_folder(root, prediction.run_id) / MODEL / prediction.instance_id


def report_path(root: Path, run_id: str) -> Path:
    """The report of a whole run, schema 2; its name is the harness's choice."""
    return run_folder(root, run_id) / f"{MODEL}.{run_id}.json"


def run_id_of(task: TaskInstance, patch: str, grading: Grading) -> str:
    """20 hex digits over patch, row, harness version and the settings that can change a result.

    The harness keeps results by run id and instance only: for a new patch this is a new id.
    """
    settings = grading.model_dump(include={"timeout", "network", "sys_admin", "memory_gb", "modal"})
    decides = [LAYOUT, version("swebench"), settings, row_of(task), patch]
    return f"srft-{digest(decides)[:20]}"


def row_of(task: TaskInstance) -> dict[str, Any]:
    """The task as the harness reads it."""
    return task.model_dump(mode="json", by_alias=True, exclude={"files", "test_command"})


def ungradable(task: TaskInstance) -> str:
    """Why the harness cannot take the row; empty where it can."""
    if not SAFE_ID.fullmatch(task.instance_id):
        return f"the instance id {task.instance_id[:60]!r} cannot name a folder and a container"
    cells = task.model_extra or {}
    lacking = [name for name in ROW_FIELDS if not isinstance(cells.get(name), str)]
    if lacking:
        return (
            f"the data set's row has no {', '.join(lacking)}, which swebench {version('swebench')} "
            "needs: use the data set's present revision"
        )
    if not task.fail_to_pass and not task.pass_to_pass:
        return "the task names no tests"
    return bad_assets(cells.get("image_assets"))


def write_inputs(root: Path, prediction: Prediction, task: TaskInstance) -> None:
    """The data set of one row and the predictions file of one line, as `swebench eval` wants."""
    folder = run_folder(root, prediction.run_id)
    row = {
        "instance_id": prediction.instance_id,
        "model_name_or_path": MODEL,
        "model_patch": prediction.patch,
    }
    place(folder / "dataset.jsonl", orjson.dumps(row_of(task)) + b"\n")
    place(folder / "predictions.jsonl", orjson.dumps(row) + b"\n")


def read_attempts(root: Path, run_id: str) -> Sequence[Attempt]:
    """The attempts of a run that came to its end; none where it did not, or must run again."""
    path = run_folder(root, run_id) / "attempts.json"
    return Attempts.model_validate_json(path.read_bytes()).attempts if path.exists() else []


def attempts_behind(log: str) -> Sequence[Attempt]:
    """The attempts of the run whose log folder this is; none of another grader's log."""
    folder = Path(log).parent.parent
    return read_attempts(folder.parents[2], folder.name) if len(folder.parents) > 2 else []


def write_attempts(root: Path, run_id: str, attempts: Sequence[Attempt]) -> None:
    """Say that the run came to its end, and how."""
    told = Attempts(attempts=list(attempts)).model_dump_json(indent=2)
    place(run_folder(root, run_id) / "attempts.json", told.encode())
