"""Tasks, as rows of the SWE-bench instance schema: those of a data set, a local file or folder or
one of the hub, and those that the platform holds itself.
"""

import hashlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from pydantic import BaseModel, Field, ValidationError, field_validator

from srft_assets.errors import SrftError, first_problem
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.trajectories.discover import fetch
from srft_assets.trajectories.records import BadTableError, read_rows, shape_of
from srft_assets.warehouse.recipe import digest

MAX_ROW_BYTES = 64 * 1024 * 1024
SUFFIXES = (".parquet", ".arrow", ".jsonl", ".ndjson", ".json")


class TaskInstance(BaseModel, extra="allow"):
    """One SWE-bench instance.

    `files` is ours: for generated tasks, path → content of the whole repository at
    `base_commit`, so that no git hosting is needed. `test_command` likewise.
    """

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
    """`<home.runs>/<batch>/tasks.jsonl`: the tasks of a batch that was played here."""
    return home.runs / batch / "tasks.jsonl"


def tasks_digest(home: Home, batch: str) -> str | None:
    """16 hex digits over the batch's tasks; None where it has none."""
    path = tasks_path(home, batch)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else None


def read_tasks(home: Home, batch: str) -> dict[str, TaskInstance]:
    """Instance id → task; empty where the platform holds none. Raises SrftError for a bad row."""
    path = tasks_path(home, batch)
    return read_dataset(str(path), None) if path.exists() else {}


def write_tasks(path: Path, tasks: Iterable[TaskInstance]) -> None:
    """JSON Lines, as `read_dataset` takes them."""
    rows = (task.model_dump(mode="json", by_alias=True) for task in tasks)
    place(path, b"".join(orjson.dumps(row) + b"\n" for row in rows))


def gold_patches(home: Home, batch: str) -> dict[str, str]:
    """Instance id → reference patch: of the batch's own tasks, and of `home.tasks/*.jsonl`.

    The batch's own win. Only the columns `instance_id` and `patch` are read. Raises SrftError,
    naming file and row, for a row that is no task.
    """
    found: dict[str, str] = {}
    own = tasks_path(home, batch)
    for path in (*sorted(home.tasks.glob("*.jsonl")), *([own] if own.exists() else [])):
        for row, cells in _json(path):
            match cells:
                case {"instance_id": str(instance), "patch": str(patch)} if patch:
                    found[instance] = patch
                case {"instance_id": str(), **rest} if not rest.get("patch"):
                    pass
                case _:
                    told = "expected a JSON object with instance_id and patch, which are text"
                    raise SrftError(f"{path}, row {row}: {told}")
    return found


def is_local(source: str) -> bool:
    """Whether the data set lies on this machine."""
    return Path(source).expanduser().exists()


def read_dataset(
    source: str, ids: Collection[str] | None, split: str = "test"
) -> dict[str, TaskInstance]:
    """Instance id → row, for those of `ids` that the data set holds; None: for all.

    `source`: a .parquet, .arrow (stream or file), .json or .jsonl file; a folder of such files,
    of which those of `split` are read; or `OWNER/NAME` of a data set on the Hugging Face hub.
    Raises SrftError naming file and row: for a row that is no SWE-bench instance, and for two
    different rows of one instance.
    """
    wanted = None if ids is None else frozenset(ids)
    found: dict[str, TaskInstance] = {}
    for path in files_of(source, split):
        for number, cells in _rows(path, wanted):
            task = _task(path, number, cells)
            if found.setdefault(task.instance_id, task) != task:
                raise SrftError(f"{path}, row {number}: a second, different {task.instance_id}")
    return found


def dataset_digest(source: str, ids: Collection[str], split: str = "test") -> str:
    """16 hex digits over the content of the rows that are wanted and there; see `read_dataset`."""
    return _digest_of(source, frozenset(ids), split, files_seen(source, split))


Seen = tuple[tuple[int, int], ...]
"""Time and size of each file of a data set: by them it is known whether it was read already."""


def files_seen(source: str, split: str) -> Seen:
    """The files of a data set as they are now; raises SrftError as `files_of`."""
    states = (path.stat() for path in files_of(source, split))
    return tuple((state.st_mtime_ns, state.st_size) for state in states)


@lru_cache(maxsize=1024)
def _digest_of(source: str, ids: frozenset[str], split: str, seen: Seen) -> str:
    """`seen` is there for the cache: other files at the same place are another question."""
    return rows_digest(read_dataset(source, ids, split).values())


def rows_digest(tasks: Collection[TaskInstance]) -> str:
    """16 hex digits over the content of rows; their order does not count."""
    rows = [task.model_dump(mode="json", by_alias=True) for task in tasks]
    return digest(sorted(rows, key=lambda row: row["instance_id"]))[:16]


def files_of(source: str, split: str = "test") -> list[Path]:
    """The files of a data set, fetched from the hub where it is no local one.

    Raises SrftError where there is none, or where the hub cannot be reached.
    """
    place = Path(source).expanduser()
    if not place.exists():
        name = source.removeprefix("hf://datasets/")
        looks_local = place.suffix in SUFFIXES or source.startswith((".", "/", "~"))
        if looks_local or name.count("/") != 1:
            raise SrftError(
                f"no data set {source!r}: name a file ({', '.join(SUFFIXES)}), a folder, or "
                "OWNER/NAME on the Hugging Face hub"
            )
        place = fetch(f"hf://datasets/{name}/{split}")
    if place.is_file():
        return [place]
    files = [path for path in sorted(place.rglob("*")) if path.suffix in SUFFIXES]
    of_split = [path for path in files if _is_of(path.relative_to(place), split)]
    if not of_split:
        raise SrftError(f"{place}: no file of split {split!r} ({', '.join(SUFFIXES)}) in it")
    return of_split


def _is_of(path: Path, split: str) -> bool:
    """`test.parquet`, `test-00000-of-00001.parquet`, `default/test/0000.parquet`."""
    return path.stem == split or path.stem.startswith(f"{split}-") or split in path.parent.parts


def _rows(path: Path, ids: frozenset[str] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Row number and cells of the wanted rows of one file."""
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path, ids)
            return
        if path.suffix == ".arrow":
            numbered = read_rows(path, "arrow", 0, shape_of(path, "arrow")[0], MAX_ROW_BYTES)
        else:
            numbered = _json(path)
        for number, cells in numbered:
            if not isinstance(cells, dict) or not isinstance(cells.get("instance_id"), str):
                raise SrftError(f"{path}, row {number}: expected a SWE-bench row with instance_id")
            if ids is None or cells["instance_id"] in ids:
                yield number, cells
    except (BadTableError, OSError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SrftError(f"{path}: cannot be read: {reason}") from None


def _parquet(path: Path, ids: frozenset[str] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = pl.scan_parquet(path, row_index_name="row number", glob=False)
    if "instance_id" not in rows.collect_schema():
        raise SrftError(f"{path}: no column instance_id, which SWE-bench rows have")
    if ids is not None:
        rows = rows.filter(pl.col("instance_id").is_in(sorted(ids)))
    for cells in rows.collect().to_dicts():
        yield cells.pop("row number"), cells


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    if path.suffix == ".json":
        try:
            value = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise SrftError(f"{path}: not JSON: {error}") from None
        if not isinstance(value, list | dict):
            raise SrftError(f"{path}: expected a list of rows, or an object of rows by instance")
        yield from enumerate(value.values() if isinstance(value, dict) else value)
        return
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if not line.strip():
                continue
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise SrftError(f"{path}, row {number}: not JSON: {error}") from None


def _task(path: Path, number: int, cells: dict[str, Any]) -> TaskInstance:
    plain = {name: _plain(value) for name, value in cells.items() if value is not None}
    try:
        return TaskInstance.model_validate(plain)
    except ValidationError as error:
        raise SrftError(f"{path}, row {number}: {first_problem(error)}") from None


def _plain(value: Any) -> Any:
    """As JSON can have it: times and the bytes of pictures as text."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value
