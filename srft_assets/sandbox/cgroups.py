"""The pids controller of Linux: a number of processes that the kernel keeps, also for root."""

import contextlib
import os
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

PROC = Path("/proc")
NAME = re.compile(r"srft-(\d+)-(\d+)-\d+")
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class OwnCgroup:
    """The cgroup that this process is in; ours are made below it, so its own limits still hold."""

    version: int
    folder: Path


@dataclass(frozen=True, slots=True)
class PidsCgroup:
    """A cgroup of ours. Members are threads: what they start is born in it.

    In version 2 it is of type `threaded`, the only one that a single thread can enter and that
    may lie below a cgroup which holds processes (Linux, admin-guide/cgroup-v2, "Threads").
    """

    own: OwnCgroup
    folder: Path

    def enter(self) -> None:
        """Move the calling thread in. Waits for an RCU grace period, some 10 ms."""
        members = "tasks" if self.own.version == 1 else "cgroup.threads"
        (self.folder / members).write_text("0")

    def allow(self, tasks: int) -> None:
        """Let it hold so many processes and threads; further ones fail with EAGAIN."""
        (self.folder / "pids.max").write_text(str(tasks))

    def held(self) -> int:
        """Processes and threads in it, also those that are just dying."""
        return int((self.folder / "pids.current").read_text())

    def refusals(self) -> int:
        """How often it was full when another process was to start."""
        return int((self.folder / "pids.events").read_text().split()[1])

    def remove(self) -> bool:
        """Remove it; False while something is in it."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        return not self.folder.exists()


def make_cgroup(own: OwnCgroup) -> PidsCgroup:
    """Make an empty one, whose name says whose it is. Raises OSError where that is not allowed."""
    pid = os.getpid()
    folder = own.folder / f"srft-{pid}-{_started(pid)}-{next(_numbers)}"
    folder.mkdir()
    try:
        if own.version == 2:
            (folder / "cgroup.type").write_text("threaded")
            control = own.folder / "cgroup.subtree_control"
            if "pids" not in control.read_text().split():
                control.write_text("+pids")
    except OSError:
        folder.rmdir()
        raise
    return PidsCgroup(own, folder)


def sweep(own: OwnCgroup) -> None:
    """Remove those of processes that are no more, e.g. because they were killed."""
    for folder in own.folder.glob("srft-*"):
        name = NAME.fullmatch(folder.name)
        if name and _started(int(name[1])) != int(name[2]):
            with contextlib.suppress(OSError):
                folder.rmdir()


def find_own() -> OwnCgroup | None:
    """Where this process may make cgroups that count processes, if the kernel has them."""
    try:
        cgroups = (PROC / "self/cgroup").read_text()
        mounts = (PROC / "self/mountinfo").read_text()
    except OSError:
        return None
    own = read_own(cgroups, mounts)
    if own and own.version == 2 and not _offers_pids(own.folder):
        return None
    return own


def read_own(cgroups: str, mounts: str) -> OwnCgroup | None:
    """Read /proc/self/cgroup and /proc/self/mountinfo (cgroups(7), proc(5))."""
    inside: dict[int, PurePosixPath] = {}
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if "pids" in controllers.split(","):
            inside[1] = PurePosixPath(path)
        elif not controllers:
            inside[2] = PurePosixPath(path)
    version = 1 if 1 in inside else 2
    here = inside.get(version)
    # A path with `..` lies outside of this process's cgroup namespace.
    if here is None or ".." in here.parts:
        return None
    for line in mounts.splitlines():
        mount, _, system = line.partition(" - ")
        root, point = mount.split(" ")[3:5]
        kind, _, options = system.split(" ", 2)
        fits = kind == "cgroup2" if version == 2 else "pids" in options.split(",")
        if fits and kind.startswith("cgroup") and here.is_relative_to(root):
            return OwnCgroup(version, Path(point, here.relative_to(root)))
    return None


def _offers_pids(folder: Path) -> bool:
    try:
        return "pids" in (folder / "cgroup.controllers").read_text().split()
    except OSError:
        return False


def _started(pid: int) -> int:
    """Start of a process in clock ticks since boot; -1 where there is no such process."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return -1
    # The command, in brackets, may itself hold blanks and brackets.
    return int(stat.rpartition(")")[2].split()[19])
