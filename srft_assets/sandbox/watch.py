"""Bounds that the kernel does not keep for an ordinary process: totals of a whole tree."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from srft_assets.sandbox.model import Limits
from srft_assets.sandbox.slots import Slot

MEMORY_FACTOR = 2
"""All processes together may hold this many times `memory_mb` resident."""
DISK_FACTOR = 16
"""The working folder may grow by this many times `file_mb`."""
PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1024 * 1024


@dataclass(slots=True)
class Watch:
    """Looks at a process tree and its folder; `exceeded` is called some times a second.

    Address space is counted by process and file size by file: this bounds the sums. Between two
    looks a command can overshoot. The number of processes is kept by the kernel where there is a
    `slot`, or where RLIMIT_NPROC binds; for root without a slot it is only watched, and a
    doubling fork bomb can take the machine's process ids for a moment before it is killed.
    """

    root_pid: int
    workdir: Path
    limits: Limits
    slot: Slot | None = None
    _began: float = field(default_factory=time.time)
    _free: int = -1

    def __post_init__(self) -> None:
        self._free = _free_bytes(self.workdir)

    def exceeded(self) -> str | None:
        """Why the tree must be killed, or None."""
        if reason := self.refused():
            return reason
        memory = 0
        for processes, pid in enumerate(process_tree(self.root_pid), start=1):
            memory += _resident(pid)
            if processes > self.limits.processes:
                return self._too_many
        if memory > MEMORY_FACTOR * self.limits.memory_mb * MB:
            return f"more than {MEMORY_FACTOR * self.limits.memory_mb} MB of memory"
        allowed = DISK_FACTOR * self.limits.file_mb * MB
        # Walking the folder is dear: only when the disk as a whole lost that much.
        if self._free - _free_bytes(self.workdir) > allowed and self._written() > allowed:
            return f"more than {allowed // MB} MB written to the working folder"
        return None

    def refused(self) -> str | None:
        """Why the tree counts as killed where the kernel refused it a process, else None."""
        return self._too_many if self.slot and self.slot.overstepped() else None

    @property
    def _too_many(self) -> str:
        return f"more than {self.limits.processes} processes"

    def _written(self) -> int:
        """Bytes on disk of the files changed since the command began."""
        return sum(
            stat.st_blocks * 512 for stat in _stats(self.workdir) if stat.st_ctime >= self._began
        )


def process_tree(root_pid: int) -> Iterator[int]:
    """A process and its descendants, as far as they still live. Needs Linux' /proc."""
    waiting = [root_pid]
    while waiting:
        pid = waiting.pop()
        yield pid
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            waiting.extend(_children(thread))


def _children(thread: Path) -> list[int]:
    try:
        text = (thread / "children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _free_bytes(folder: Path) -> int:
    figures = os.statvfs(folder)
    return figures.f_bfree * figures.f_frsize


def _stats(folder: Path) -> Iterator[os.stat_result]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(f"{place}/{name}")
            except OSError:
                continue
