"""Reading many partitions as of one moment.

DuckDB opens a file twice, once for its footer and once for its pages. Where a partition is
renamed over in between, it fails with `Invalid data`, or, where both states are laid out alike,
mixes them. So a result counts only where no partition changed while it was read.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from srft_assets.errors import SrftError
from srft_assets.home import Home

T = TypeVar("T")
PATIENCE_SECONDS = 10.0
LOG = logging.getLogger(__name__)


class DisturbedError(Exception):
    """Partitions changed while they were read."""


def read_steady(home: Home, read: Callable[[], T]) -> T:
    """What `read` returns in a moment in which no partition changes.

    It is tried again for `PATIENCE_SECONDS`. Where partitions change faster than they can be
    read, the last result stands, with a warning: nearly always each partition in it is whole.
    Raises SrftError where the last try failed as well.
    """
    last: list[T] = []

    def once() -> T:
        last.clear()
        before = partition_states(home.warehouse)
        try:
            rows = read()
        except duckdb.Error as error:
            if partition_states(home.warehouse) == before:
                raise
            raise DisturbedError(str(error)) from error
        last.append(rows)
        if partition_states(home.warehouse) != before:
            raise DisturbedError("partitions changed while they were read")
        return rows

    retrying = Retrying(
        retry=retry_if_exception_type(DisturbedError),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_fixed(0.02),
    )
    try:
        return retrying(once)
    except RetryError:
        if not last:
            raise SrftError("partitions change faster than they can be read: ask again") from None
        LOG.warning("partitions changed while they were read: a figure may mix two states")
        return last[0]


def partition_states(root: Path) -> frozenset[tuple[str, int, int, int]]:
    """Path, inode, time and size of every partition file."""
    states = set()
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".parquet"):
                path = Path(folder, name)
                try:
                    state = path.stat()
                except FileNotFoundError:
                    continue
                states.add((str(path), state.st_ino, state.st_mtime_ns, state.st_size))
    return frozenset(states)
