"""Reference solutions of tasks, as far as the platform holds them."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.grading import tasks_path


def gold_patches(home: Home, batch: str) -> dict[str, str]:
    """Instance id → reference patch: of the batch's own tasks, and of `home.tasks/*.jsonl`.

    The batch's own win. Only the columns `instance_id` and `patch` are read. Raises SrftError,
    naming file and row, for a row that is no task.
    """
    found: dict[str, str] = {}
    for path in (*sorted(home.tasks.glob("*.jsonl")), tasks_path(home, batch)):
        if path.exists():
            found |= _rows(path)
    return found


def _rows(path: Path) -> Iterator[tuple[str, str]]:
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
