"""One at a time: whoever makes a partition holds it, and the others wait for their turn."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from srft_assets.home import Home

POLL_SECONDS = 0.2
TELL_SECONDS = 30.0


@contextmanager
def turn(home: Home, asset: str, partition: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold a partition, after everyone who came before.

    The kernel frees what a killed process held. Who waits tells for whom, every half minute.
    """
    path = home.warehouse / "_locks" / f"{asset.replace('/', '__')}.{partition}"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    told = -TELL_SECONDS
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if time.monotonic() - told >= TELL_SECONDS:
                told = time.monotonic()
                tell(f"waits for {_holder(path)}, which is making it")
            time.sleep(POLL_SECONDS)
    try:
        me = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%H:%M:%S}"
        _note(path).write_text(me)
        yield
    finally:
        _note(path).unlink(missing_ok=True)
        lock.release()


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _holder(path: Path) -> str:
    with suppress(FileNotFoundError):
        return _note(path).read_text()
    return "another process"
