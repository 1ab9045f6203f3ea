"""Reading real run files in tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory

Parse = Callable[[str], Any]
ReadRun = Callable[..., Trajectory]


@pytest.fixture(scope="session")
def runs_root(shared: Path) -> Path:
    """The folder of real run files."""
    return shared / "trajectories"


@pytest.fixture(scope="session")
def parse(runs_root: Path) -> Parse:
    """The parsed content of one real file, found by a shell pattern; rows of a JSONL file."""

    def parse_file(pattern: str) -> Any:
        path = next(iter(sorted(runs_root.glob(pattern))))
        if path.suffix == ".jsonl":
            return [orjson.loads(line) for line in path.read_bytes().splitlines()]
        return orjson.loads(path.read_bytes())

    return parse_file


@pytest.fixture(scope="session")
def read_run(runs_root: Path, parse: Parse) -> ReadRun:
    """The run of one real file (of its row `row`, for files of rows)."""

    def read_file(pattern: str, row: int | None = None) -> Trajectory:
        path = next(iter(sorted(runs_root.glob(pattern))))
        record = parse(pattern) if row is None else parse(pattern)[row]
        hint = str(path.relative_to(runs_root))
        return read_record(record, source=hint, row=row or 0)

    return read_file
