"""One experiment at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from srft_assets.errors import SrftError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else is in here with the same folder. Raises SrftError where somebody is.

    The kernel frees the lock when its holder dies. `folder` is made where it is absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise SrftError(
                f"{folder}: another srft lab reproduce is at work here; wait for it, or name "
                "another folder with --out"
            ) from None
        yield
