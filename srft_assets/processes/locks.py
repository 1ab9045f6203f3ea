"""Locks between processes: the kernel frees them when their holder dies.

A lock is a file of the home. On a shared folder that has working locks it excludes the processes
of all hosts, and the file server frees it when its host is gone; no process id, host name or clock
is asked. `srft doctor --shared` tries it.
"""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from srft_assets.files import private
from srft_assets.home import Home

POLL_SECONDS = 0.1
TELL_SECONDS = 30.0


@contextmanager
def exclusive(
    path: Path, *, wait: bool = True, tell: Callable[[str], None] | None = None
) -> Iterator[bool]:
    """Hold the lock named `path`; yields whether it is held, which is always so with `wait`.

    The folder is made where it is absent. While it waits, `tell` hears at once and then every
    half minute who holds the lock. Two holders exclude each other within one process too.
    """
    from filelock import FileLock, Timeout

    private(path.parent)
    lock = FileLock(path)
    patience = 0.0
    while True:
        try:
            lock.acquire(timeout=patience, poll_interval=POLL_SECONDS)
            break
        except Timeout:
            if not wait:
                yield False
                return
            if tell is not None:
                tell(f"waits for {holder_of(path)}")
            patience = TELL_SECONDS
    try:
        me = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%H:%M:%S}"
        _note(path).write_text(me)
        yield True
    finally:
        _note(path).unlink(missing_ok=True)
        lock.release()


@contextmanager
def partition_turn(
    home: Home, asset: str, partition: str, tell: Callable[[str], None]
) -> Iterator[None]:
    """Hold a partition while it is made, after everyone who came before."""
    name = f"{asset.replace('/', '__')}.{partition}.lock"

    def tell_more(note: str) -> None:
        tell(f"{note}, which is making it")

    with exclusive(home.warehouse / "_locks" / name, tell=tell_more):
        yield


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock. Who asks holds nothing, and does not get in another's way
    who asks."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def holder_of(path: Path) -> str:
    """Who holds the lock: `process 12 on node-a since 10:00:00`; for people only."""
    with suppress(FileNotFoundError):
        return _note(path).read_text()
    return "another process"
