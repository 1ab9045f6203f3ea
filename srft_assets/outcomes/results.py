"""What single tests said, and what that means for a task."""

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from srft_assets.outcomes.recorder import DONE
from srft_assets.outcomes.test_ids import canonical

PASSING = frozenset({"passed", "xfailed"})
"""As the SWE-bench harness counts; a skipped test did not pass."""
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recorded:
    """Contents of a results file. `finished` is False where the test run ended early."""

    results: list[tuple[str, str]]
    finished: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a list of tests passed, and the names of those that did not."""

    passed: int
    total: int
    missing: tuple[str, ...]


def read_recorded(folder: Path, name: str) -> Recorded:
    """The file `name` that the recorder wrote below `folder/.git`.

    Commands could write there, so no link is followed and nothing but a bounded regular file
    is read. Damaged lines are as good as absent.
    """
    results, finished = [], False
    for line in _read_safely(folder, (".git", name)).splitlines():
        with contextlib.suppress(orjson.JSONDecodeError):
            row = orjson.loads(line)
            if isinstance(row, list) and [type(cell) for cell in row] == [str, str]:
                finished = finished or row[0] == DONE
                results.append((row[0], row[1]))
    return Recorded(results, finished)


def _read_safely(folder: Path, parts: tuple[str, ...]) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    place = os.open(folder, flags | os.O_DIRECTORY)
    try:
        for part in parts:
            inner = os.open(part, flags, dir_fd=place)
            os.close(place)
            place = inner
        return os.read(place, MAX_BYTES) if stat.S_ISREG(os.fstat(place).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(place)


def tally(wanted: Iterable[str], results: Iterable[tuple[str, str]]) -> Tally:
    """Count the wanted tests that passed: reported at least once, and never otherwise."""
    said: dict[str, bool] = {}
    for test, outcome in results:
        key = canonical(test)
        said[key] = said.get(key, True) and outcome in PASSING
    names = list(wanted)
    missing = [name for name in names if not said.get(canonical(name), False)]
    return Tally(len(names) - len(missing), len(names), tuple(missing))
