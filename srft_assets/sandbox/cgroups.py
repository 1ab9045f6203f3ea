"""The pids controller of Linux: a number of processes that the kernel keeps, also for root."""

import atexit
import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path, PurePosixPath

PROC = Path("/proc")
NAME = re.compile(r"srft-(\d+)-(\d+)-\d+")
OWN_TASKS = 2
"""Bubblewrap's monitor, and its process 1."""
LEAVING_SECONDS = 0.5
"""For so long the kernel may count a process that has ended."""
_numbers = count(1)
_left: set[Path] = set()
"""Cgroups of commands that ended, in which something still dies."""


@dataclass(frozen=True, slots=True)
class OwnCgroup:
    """The cgroup that this process is in; ours are made below it, so its own limits still hold."""

    version: int
    folder: Path


@dataclass(frozen=True, slots=True)
class PidsCgroup:
    """A cgroup of ours, for one command: what that starts is born in it.

    In version 2 it is of type `threaded`, the only one that may lie below a cgroup which holds
    processes (Linux, admin-guide/cgroup-v2, "Threads").
    """

    own: OwnCgroup
    folder: Path

    def entering(self) -> list[str]:
        """Words to put before a program and its arguments, so that it is run in the cgroup."""
        members = "tasks" if self.own.version == 1 else "cgroup.threads"
        enter = 'echo 0 > "$0" && exec "$@"'
        # What the shell adds to the environment would show paths of this machine.
        plain = ["/usr/bin/env", "-u", "PWD", "-u", "OLDPWD", "-u", "SHLVL", "-u", "_"]
        return ["/bin/sh", "-c", enter, str(self.folder / members), *plain]

    def refusals(self) -> int:
        """How often it was full when another process was to start."""
        return int((self.folder / "pids.events").read_text().split()[1])


@contextlib.contextmanager
def pids_cgroup(processes: int) -> Iterator[PidsCgroup | None]:
    """A cgroup for one command of so many processes and threads; further ones fail with EAGAIN.

    None where this process may make no cgroups. Raises OSError where it may no longer.
    """
    own = usable_cgroup()
    if own is None:
        yield None
        return
    cgroup = _make(own, processes + OWN_TASKS)
    try:
        yield cgroup
    finally:
        _left.add(cgroup.folder)
        _remove_left()


@cache
def usable_cgroup() -> OwnCgroup | None:
    """Where this process may make cgroups and enter them; sweeps what killed processes left."""
    own = find_own()
    if own is None:
        return None
    sweep(own)
    try:
        trial = _make(own, OWN_TASKS)
    except OSError:
        return None
    entered = subprocess.run([*trial.entering(), "/bin/true"], check=False, capture_output=True)
    _left.add(trial.folder)
    return own if entered.returncode == 0 else None


def _make(own: OwnCgroup, tasks: int) -> PidsCgroup:
    """An empty one, whose name says whose it is. Raises OSError where that is not allowed."""
    pid = os.getpid()
    folder = own.folder / f"srft-{pid}-{_started(pid)}-{next(_numbers)}"
    folder.mkdir()
    try:
        if own.version == 2:
            (folder / "cgroup.type").write_text("threaded")
            control = own.folder / "cgroup.subtree_control"
            if "pids" not in control.read_text().split():
                control.write_text("+pids")
        (folder / "pids.max").write_text(str(tasks))
    except OSError:
        folder.rmdir()
        raise
    return PidsCgroup(own, folder)


def _remove_left() -> None:
    for folder in tuple(_left):
        with contextlib.suppress(OSError):
            folder.rmdir()
            _left.discard(folder)


@atexit.register
def _leave() -> None:
    """What cannot be removed is left to the `sweep` of another process."""
    until = time.monotonic() + LEAVING_SECONDS
    while _left and time.monotonic() < until:
        _remove_left()
        time.sleep(0.005)


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
