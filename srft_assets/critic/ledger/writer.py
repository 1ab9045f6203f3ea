"""Appending to the ledger: one file a writer, and no answer used before it is durable."""

import errno
import fcntl
import os
import re
import socket
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from srft_assets.critic.call import Reply
from srft_assets.critic.ledger.record import encode
from srft_assets.warehouse.placing import sync_folder

CLOSED = -1
"""No descriptor: what is tried on it fails."""
UNSAFE = re.compile(r"[^A-Za-z0-9]+")


class Writer:
    """The file that one process appends to, made at the first append.

    Its lock (flock) lasts as long as the writer: compaction takes only files without one.
    May be shared by threads; what several append at once is made durable in one go. After a
    fork the child writes to a file of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: _File | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def append(self, reply: Reply) -> None:
        """Write one line; returns once it is on the disk.

        Raises ValueError for a wrong key, OSError where the disk does not take it. A file that
        the disk failed is left, and the next append begins another: a torn line is the last one.
        """
        line = encode(reply)
        with self._lock:
            file = self._current()
            try:
                number = file.write(line)
            finally:
                if file.torn:
                    self._leave(file)
        try:
            file.sync(number)
        except OSError:
            with self._lock:
                self._leave(file)
            raise

    def _current(self) -> "_File":
        if self._file is not None and self._pid != os.getpid():
            os.close(self._file.descriptor)
            self._file = None
        if self._file is None:
            self._file = _open(self._folder)
            self._pid = os.getpid()
        return self._file

    def _leave(self, file: "_File") -> None:
        if self._file is file:
            self._file = None
            with suppress(OSError):
                file.close()

    def close(self) -> None:
        """Let the file go. A later append begins another."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None and self._pid == os.getpid():
                file.close()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(slots=True)
class _File:
    """An open file of the ledger. Lines are numbered from 1 as they are written."""

    descriptor: int
    written: int = 0
    durable: int = 0
    torn: bool = False
    lost: bool = False
    syncing: threading.Lock = field(default_factory=threading.Lock)

    def write(self, line: bytes) -> int:
        """Number of the line. Another `write` after a short one tells why it was short."""
        self.torn = True
        try:
            done = os.write(self.descriptor, line)
        except OSError:
            self.torn = False
            raise
        while done < len(line):
            done += os.write(self.descriptor, line[done:])
        self.torn = False
        self.written += 1
        return self.written

    def sync(self, number: int) -> None:
        """Make the line durable. Whoever waits meanwhile finds theirs durable as well.

        The kernel tells a failure once, then the lines are as if they were clean: so after one
        failure no line is.
        """
        with self.syncing:
            if self.durable >= number:
                return
            if self.lost:
                raise OSError(errno.EIO, "an earlier line of the same file could not be kept")
            written = self.written
            self.lost = True
            os.fdatasync(self.descriptor)
            self.lost = False
            self.durable = written

    def close(self) -> None:
        """Make every whole line durable and free the lock."""
        try:
            self.sync(self.written)
        finally:
            with self.syncing:
                os.close(self.descriptor)
                self.descriptor = CLOSED


def _open(folder: Path) -> _File:
    """A new file, locked. Compaction may take it before the lock is had: then another."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        descriptor = os.open(folder / _name(), flags, 0o644)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                for each in (folder, folder.parent):
                    sync_folder(each)
                return _File(descriptor)
        os.close(descriptor)


def _name() -> str:
    host = UNSAFE.sub("-", socket.gethostname())[:40].strip("-") or "host"
    return f"{datetime.now(UTC):%Y-%m-%d}-{host}-{os.getpid()}-{uuid.uuid4().hex[:12]}.jsonl"
