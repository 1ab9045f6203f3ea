"""A server program for tests: real processes and real HTTP, in place of a model."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from srft_assets.serving import ServerSpec

PROGRAM = Path(__file__).with_name("server_program.py")
MakeSpec = Callable[..., ServerSpec]


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Path]:
    """Where the program's processes write their ids; whatever a test leaves is ended."""
    folder = tmp_path / "family"
    folder.mkdir()
    yield folder
    for process in members(folder):
        process.kill()


@pytest.fixture
def spec(family: Path) -> MakeSpec:
    """Makes a spec of the program; `env` states how it behaves."""

    def make(env: dict[str, str] | None = None, **fields: Any) -> ServerSpec:
        stated = {
            "model": "tiny",
            "command": (sys.executable, "-S", str(PROGRAM)),
            "start_timeout": 20,
            "stop_timeout": 0.5,
            "env": {"FAMILY": str(family), **(env or {})},
        }
        return ServerSpec.model_validate({**stated, **fields})

    return make


def members(family: Path) -> list[psutil.Process]:
    """Processes of the program that still run."""
    running = []
    for path in family.iterdir():
        try:
            process = psutil.Process(int(path.name))
            words = process.cmdline()  # a process that is about to end has none any more
            ours = not words or PROGRAM.name in " ".join(words)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
        except psutil.NoSuchProcess:
            continue
    return running


def gone(family: Path, count: int, seconds: float = 10.0) -> bool:
    """Whether `count` processes had started, and all have ended within `seconds`."""
    assert len(list(family.iterdir())) == count
    deadline = time.monotonic() + seconds
    while members(family) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not members(family)
