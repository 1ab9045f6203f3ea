"""Tasks, as rows of the SWE-bench instance schema, and those that the platform holds itself."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from srft_assets.errors import SrftError, first_problem
from srft_assets.home import Home


class TaskInstance(BaseModel):
    """One SWE-bench instance.

    `files` is ours: for generated tasks, path → content of the whole repository at
    `base_commit`, so that no git hosting is needed. `test_command` likewise.
    """

    model_config = ConfigDict(extra="allow")

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    patch: str = ""
    test_patch: str = ""
    hints_text: str = ""
    version: str = ""
    environment_setup_commit: str = ""
    created_at: str = ""
    fail_to_pass: list[str] = Field(default_factory=list, alias="FAIL_TO_PASS")
    pass_to_pass: list[str] = Field(default_factory=list, alias="PASS_TO_PASS")
    files: dict[str, str] = Field(default_factory=dict)
    test_command: str = ""

    @field_validator("fail_to_pass", "pass_to_pass", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        """SWE-bench's data sets hold these lists as JSON text."""
        return orjson.loads(value) if isinstance(value, str) else value


def tasks_path(home: Home, batch: str) -> Path:
    """`<home.runs>/<batch>/tasks.jsonl`: tasks as rows of the SWE-bench instance schema."""
    return home.runs / batch / "tasks.jsonl"


def tasks_digest(home: Home, batch: str) -> str | None:
    """16 hex digits over the batch's tasks; None where it has none."""
    path = tasks_path(home, batch)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else None


def read_tasks(home: Home, batch: str) -> dict[str, TaskInstance]:
    """Instance id → task; empty where the platform holds none. Raises SrftError for a bad row."""
    path = tasks_path(home, batch)
    if not path.exists():
        return {}
    tasks: dict[str, TaskInstance] = {}
    with path.open("rb") as file:
        for row, line in enumerate(file):
            try:
                task = TaskInstance.model_validate_json(line)
            except ValidationError as error:
                raise SrftError(f"{path}, row {row}: {first_problem(error)}") from None
            tasks[task.instance_id] = task
    return tasks


def gold_patches(home: Home, batch: str) -> dict[str, str]:
    """Instance id → reference patch: of the batch's own tasks, and of `home.tasks/*.jsonl`.

    The batch's own win. Only the columns `instance_id` and `patch` are read. Raises SrftError,
    naming file and row, for a row that is no task.
    """
    found: dict[str, str] = {}
    for path in (*sorted(home.tasks.glob("*.jsonl")), tasks_path(home, batch)):
        if path.exists():
            found |= _patches(path)
    return found


def _patches(path: Path) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for row, line in enumerate(file):
            if not line.strip():
                continue
            try:
                cells = orjson.loads(line)
                instance, patch = cells["instance_id"], cells.get("patch") or ""
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
                raise SrftError(
                    f"{path}, row {row}: expected a JSON object with instance_id and patch"
                ) from None
            if not isinstance(instance, str) or not isinstance(patch, str):
                raise SrftError(f"{path}, row {row}: instance_id and patch must be text")
            if patch:
                yield instance, patch
