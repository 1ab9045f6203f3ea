"""Control groups of Linux: bounds that the kernel keeps for a command as a whole, also for root.

The number of processes (pids), and all memory (memory): what processes hold, files in tmpfs, memfd,
SysV shared memory and socket buffers, without swap.
"""

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
MB = 1024 * 1024
LEAVING_SECONDS = 0.5
"""For so long the kernel may count a process that has ended."""
_numbers = count(1)
_left: set[Path] = set()
"""Cgroups of commands that ended, in which something still dies."""


@dataclass(frozen=True, slots=True)
class OwnCgroup:
    """A cgroup that this process is in; in version 1 that of one controller."""

    version: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Place:
    """A folder below which this process may make cgroups for some controllers.

    Ours are made below our own cgroup, so that its own limits still hold; in version 2, where a
    cgroup that holds processes gives its children no memory controller, beside it. Without any they
    are of type `threaded`, the only one that may lie below such a cgroup, and count processes alone
    (Linux, admin-guide/cgroup-v2, "Threads").

    Attributes:
        members: the file that a process enters by.
    """

    version: int
    folder: Path
    controllers: tuple[str, ...]
    members: str


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Cgroups of ours, for one command: what that starts is born in them."""

    folders: tuple[tuple[Place, Path], ...]

    def entering(self) -> list[str]:
        """Words to put before a program and its arguments, so that it is run in the cgroups.

        A shell does it, which adds variables of its own to the environment.
        """
        files = [str(folder / place.members) for place, folder in self.folders]
        enter = "".join(f'echo 0 > "${number}" && ' for number in range(1, len(files) + 1))
        return ["/bin/sh", "-c", f'{enter}shift {len(files)} && exec "$@"', "sh", *files]

    def refusals(self) -> int:
        """How often it was full when another process was to start."""
        return self._event("pids", {1: "pids.events", 2: "pids.events"}, "max")

    def out_of_memory(self) -> int:
        """How many processes were killed as no memory was left."""
        return self._event("memory", {1: "memory.oom_control", 2: "memory.events"}, "oom_kill")

    def _event(self, controller: str, files: dict[int, str], event: str) -> int:
        for place, folder in self.folders:
            if controller in place.controllers:
                words = (folder / files[place.version]).read_text().split()
                return int(words[words.index(event) + 1]) if event in words else 0
        return 0


@contextlib.contextmanager
def command_cgroup(processes: int, memory_mb: int) -> Iterator[Cgroup | None]:
    """Cgroups for one command: of so many processes and threads, further ones fail with EAGAIN, and
    of so much memory, beyond which one of them is killed.

    None where this process may make no cgroups. Raises OSError where it may no longer.
    """
    places = usable_places()
    if not places:
        yield None
        return
    made: list[tuple[Place, Path]] = []
    try:
        for place in places:
            made.append((place, _make(place, processes + OWN_TASKS, memory_mb * MB)))
        yield Cgroup(tuple(made))
    finally:
        _left.update(folder for _, folder in made)
        _remove_left()


def kept_by_cgroups() -> frozenset[str]:
    """The controllers that bound commands here."""
    return frozenset(name for place in usable_places() for name in place.controllers)


@cache
def usable_places() -> tuple[Place, ...]:
    """Where this process may make cgroups and enter them; sweeps what killed processes left."""
    found: list[Place] = []
    for place in _possible():
        known = {name for one in found for name in one.controllers}
        if known.isdisjoint(place.controllers) and _works(place):
            found.append(place)
    return tuple(found)


def _possible() -> Iterator[Place]:
    for controller in ("pids", "memory"):
        own = find_own(controller)
        if own and own.version == 1:
            yield Place(1, own.folder, (controller,), "tasks")
    if (own := find_own("pids")) and own.version == 2:
        for folder in (own.folder, own.folder.parent):
            yield Place(2, folder, ("pids", "memory"), "cgroup.procs")
        yield Place(2, own.folder, ("pids",), "cgroup.threads")


def _works(place: Place) -> bool:
    sweep(place.folder)
    try:
        trial = _make(place, OWN_TASKS, 64 * MB)
    except OSError:
        return False
    argv = [*Cgroup(((place, trial),)).entering(), "/bin/true"]
    entered = subprocess.run(argv, check=False, capture_output=True)
    _left.add(trial)
    return entered.returncode == 0


def _make(place: Place, tasks: int, memory: int) -> Path:
    """An empty one, whose name says whose it is. Raises OSError where that is not allowed."""
    pid = os.getpid()
    folder = place.folder / f"srft-{pid}-{_started(pid)}-{next(_numbers)}"
    folder.mkdir()
    try:
        if place.version == 2:
            if place.members == "cgroup.threads":
                (folder / "cgroup.type").write_text("threaded")
            control = place.folder / "cgroup.subtree_control"
            for name in {*place.controllers} - {*control.read_text().split()}:
                control.write_text(f"+{name}")
        if "pids" in place.controllers:
            (folder / "pids.max").write_text(str(tasks))
        if "memory" in place.controllers:
            _bound_memory(place.version, folder, memory)
    except OSError:
        folder.rmdir()
        raise
    return folder


def _bound_memory(version: int, folder: Path, memory: int) -> None:
    if version == 2:
        (folder / "memory.max").write_text(str(memory))
        unasked = {"memory.swap.max": 0}
    else:
        (folder / "memory.limit_in_bytes").write_text(str(memory))
        unasked = {"memory.memsw.limit_in_bytes": memory, "memory.kmem.tcp.limit_in_bytes": memory}
    for name, value in unasked.items():
        # Kernels without swap accounting have no such file.
        with contextlib.suppress(OSError):
            (folder / name).write_text(str(value))


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


def sweep(place: Path) -> None:
    """Remove those of processes that are no more, e.g. because they were killed."""
    for folder in place.glob("srft-*"):
        name = NAME.fullmatch(folder.name)
        if name and _started(int(name[1])) != int(name[2]):
            with contextlib.suppress(OSError):
                folder.rmdir()


def find_own(controller: str = "pids") -> OwnCgroup | None:
    """The cgroup of this process that has the controller, if the kernel has it."""
    try:
        cgroups = (PROC / "self/cgroup").read_text()
        mounts = (PROC / "self/mountinfo").read_text()
    except OSError:
        return None
    own = read_own(cgroups, mounts, controller)
    if own and own.version == 2 and not _offers(own.folder, controller):
        return None
    return own


def read_own(cgroups: str, mounts: str, controller: str = "pids") -> OwnCgroup | None:
    """Read /proc/self/cgroup and /proc/self/mountinfo (cgroups(7), proc(5))."""
    inside: dict[int, PurePosixPath] = {}
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
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
        fits = kind == "cgroup2" if version == 2 else controller in options.split(",")
        if fits and kind.startswith("cgroup") and here.is_relative_to(root):
            return OwnCgroup(version, Path(point, here.relative_to(root)))
    return None


def _offers(folder: Path, controller: str) -> bool:
    try:
        return controller in (folder / "cgroup.controllers").read_text().split()
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
