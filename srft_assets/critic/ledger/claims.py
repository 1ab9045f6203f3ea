"""Who is asking what: no request is sent by two at once.

A claim is a POSIX record lock on one byte of `<folder>/.claims`, at the offset that the key
gives. The kernel frees it when its process dies. Such locks belong to the process, and closing
any descriptor of the file drops them all: so there is one descriptor a file, never closed, and
a set beside it that keeps the tasks of one process apart.
"""

import fcntl
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

NAME = ".claims"
OFFSET_DIGITS = 15
"""60 bits of the key. Two keys that share them would only wait for each other."""


@dataclass(slots=True)
class _Held:
    """What this process holds in one file."""

    descriptor: int
    offsets: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


_FILES: dict[tuple[int, int], _Held] = {}
"""By device and inode."""
_OPENING = threading.Lock()


class Claims:
    """The claims of one ledger's folder. May be shared by threads and tasks.

    To ask: look into the ledger, claim, look again (another may have answered in between), ask,
    append, release.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._held = _held(folder / NAME)

    def try_claim(self, key: str) -> bool:
        """Claim a request; False where another task or process has it."""
        offset = _offset(key)
        held = self._held
        with held.lock:
            if offset in held.offsets:
                return False
            try:
                fcntl.lockf(held.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
            except (BlockingIOError, PermissionError):
                return False
            held.offsets.add(offset)
            return True

    def release(self, key: str) -> None:
        """Give a claim back. Raises ValueError where this process does not hold it."""
        offset = _offset(key)
        held = self._held
        with held.lock:
            if offset not in held.offsets:
                raise ValueError(f"not claimed by this process: {key[:80]!r}")
            fcntl.lockf(held.descriptor, fcntl.LOCK_UN, 1, offset)
            held.offsets.remove(offset)


def _offset(key: str) -> int:
    return int(key[:OFFSET_DIGITS], 16)


def _held(path: Path) -> _Held:
    """The one descriptor of a file in this process. Looked up before it is opened."""
    with _OPENING:
        flags = os.O_RDWR | os.O_CREAT
        if not path.exists():
            os.close(os.open(path, flags, 0o644))
        found = path.stat()
        identity = found.st_dev, found.st_ino
        if identity not in _FILES:
            _FILES[identity] = _Held(os.open(path, flags, 0o644))
        return _FILES[identity]


def _forget_claims() -> None:
    """A forked child has the descriptors of its parent and none of its locks."""
    global _OPENING
    _OPENING = threading.Lock()
    for held in _FILES.values():
        held.offsets = set()
        held.lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_claims)
