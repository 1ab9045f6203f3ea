"""Whether two hosts can share a home: what `srft doctor --shared` tries, run on both at once.

They talk by files of the home alone. Nothing is taken on trust: neither that a rename is seen, nor
that a lock excludes; a host counts as there when what it wrote changes.
"""

import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from srft_assets import __version__
from srft_assets.database.store import database_file, database_of
from srft_assets.errors import SrftError
from srft_assets.files import place, private
from srft_assets.home import Home
from srft_assets.processes.child import python
from srft_assets.processes.locks import exclusive

NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4"),
    *("ocfs2", "orangefs", "pvfs2", "smb3", "smbfs"),
}
"""Types of file systems over a network, as mountinfo names them; so are all of FUSE."""
MEET_SECONDS = 120.0
ANSWER_SECONDS = 60.0
FREE_SECONDS = 120.0
"""A file server has to free the locks of a host that is gone within so long."""
SEEN_SECONDS = 1.0
"""For a rename to be seen there, and another one here."""
CLOCK_SECONDS = 1.0
ROUNDS = 10
POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Finding:
    """What was tried, whether it is as it must be, what was found, and what to do."""

    name: str
    met: bool
    found: str
    advice: str = ""


def file_system_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Type of the file system that holds a folder, as /proc/self/mountinfo names it (proc(5))."""
    found, longest = "unknown", -1
    for line in mounts.read_text("utf-8", "surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before.split()[4])
        if folder.resolve().is_relative_to(point) and len(point) >= longest:
            found, longest = after.split()[0], len(point)
    return found


def is_network(kind: str) -> bool:
    """Whether such a file system lies on other machines; FUSE may."""
    return kind in NETWORK or kind.partition(".")[0] == "fuse"


def alone(home: Home) -> Iterator[Finding]:
    """What one host can tell. Makes the folder of the home where it is absent."""
    private(home.root)
    kind = file_system_of(home.root)
    yield Finding("folder", True, f"{home.root} on {kind}")
    file = database_file(home)
    below = file_system_of(file.parent) if file else ""
    sqlite = is_network(below)
    yield Finding(
        "database",
        not sqlite,
        f"SQLite on {below}" if file else "PostgreSQL",
        "its locks and its shared memory do not hold between hosts: srft database copy, then "
        "SRFT_DATABASE=postgresql+psycopg2://…"
        if sqlite
        else "",
    )


@dataclass
class Meeting:
    """One host's side of the talk. `me`, `other`: names of this time's participants."""

    folder: Path
    me: str = field(default_factory=lambda: uuid4().hex)
    other: str = ""

    def say(self, what: str, told: Any = None) -> None:
        """Put something where the other reads it."""
        place(self.folder / f"{self.me}.{what}", orjson.dumps(told))

    def hear(self, what: str, number: int | None = None) -> Any:
        """What the other says; with a number, the list that begins with it. Raises SrftError where
        nothing is heard."""
        path, end = self.folder / f"{self.other}.{what}", time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < end:
            with suppress(OSError):  # ESTALE, too: it was replaced meanwhile
                told = orjson.loads(path.read_bytes())
                if number is None or told[0] == number:
                    return told
            time.sleep(POLL_SECONDS)
        raise SrftError(
            f"nothing was heard of the other host for {ANSWER_SECONDS:.0f} s ({what}): what one "
            "host renames is not seen by the other, or srft doctor ended there"
        )

    def meet(self) -> bool:
        """Wait for another host; False where none came."""
        seen: dict[str, int] = {}
        end, beat = time.monotonic() + MEET_SECONDS, 0
        while time.monotonic() < end:
            beat += 1
            self.say("here", beat)
            for name, told in self._said("met"):
                if told == self.me:
                    self.other = name
            for name, told in self._said("here"):
                if name != self.me and seen.setdefault(name, told) != told:
                    self.other = self.other or name
            if self.other:
                self.say("met", self.other)
                return True
            time.sleep(0.2)
        return False

    def _said(self, what: str) -> Iterator[tuple[str, Any]]:
        """What each says, those of before included, who were killed."""
        for path in self.folder.glob(f"*.{what}"):
            with suppress(OSError):
                yield path.stem, orjson.loads(path.read_bytes())

    @property
    def leads(self) -> bool:
        """Whether this host begins."""
        return self.me < self.other


@contextmanager
def meeting(home: Home) -> Iterator[Meeting | None]:
    """The talk with another host, or None where no other came within `MEET_SECONDS`."""
    folder = home.root / "doctor"
    private(folder)
    made = Meeting(folder)
    try:
        yield made if made.meet() else None
    finally:
        time.sleep(1.0)  # the other may still read the last word
        for path in folder.glob(f"{made.me}*"):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def card(home: Home) -> dict[str, Any]:
    """What two hosts must have in common, and the name of this one."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    return {
        "host": socket.gethostname(),
        "srft": f"{__version__} {code.hexdigest()[:8]}",
        "account": os.geteuid(),
        "database": _database(home),
    }


def _database(home: Home) -> str:
    """The database, as it names itself; or why it cannot be asked."""
    import sqlalchemy as sa

    try:
        with database_of(home).read() as connection:
            if connection.dialect.name == "sqlite":
                file = database_file(home)
                if file and not file.resolve().is_relative_to(home.root.resolve()):
                    return f"cannot be shared: SQLite at {file}, outside of the home"
                return "SQLite in the home"
            asked = "SELECT system_identifier || ' ' || current_database() FROM pg_control_system()"
            return f"PostgreSQL {connection.scalar(sa.text(asked))}"
    except SrftError as error:
        return f"cannot be asked: {error}"


def together(home: Home, talk: Meeting) -> Iterator[Finding]:
    """What two hosts try with each other; both yield the same findings. Raises SrftError where the
    other is not heard any more."""
    mine = card(home)
    talk.say("card", mine)
    theirs = talk.hear("card")
    yield Finding("hosts", True, f"{mine['host']} and {theirs['host']}")
    for name, advice in (
        ("srft", "install the same version on both"),
        ("account", "a home is of one account: the same number on both"),
        ("database", "state the same SRFT_DATABASE on both"),
    ):
        same = mine[name] == theirs[name] and not str(mine[name]).startswith("cannot")
        here, there = mine[name], theirs[name]
        yield Finding(name, same, str(here) if same else f"{here} here, {there} there", advice)
    yield from _of_both(talk, "locks", _hold, _try)
    yield from _of_both(talk, "renames", _ask, _answer)


def _of_both(
    talk: Meeting,
    what: str,
    lead: Callable[[Meeting], list[Finding]],
    follow: Callable[[Meeting], None],
) -> Iterator[Finding]:
    """One host leads, and tells the other what was found."""
    if talk.leads:
        found = lead(talk)
        talk.say(what, found)
    else:
        follow(talk)
        found = [Finding(**one) for one in talk.hear(what)]
    yield from found


def _hold(talk: Meeting) -> list[Finding]:
    """Hold a lock that the other tries, then be killed with it."""
    lock = talk.folder / f"{talk.me}.lock"
    holder = subprocess.Popen(
        python(__name__, str(lock)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        if not holder.stdout.readline():
            raise SrftError(f"{lock}: no lock can be taken in this folder")
        talk.say("holds", str(lock.name))
        both = talk.hear("tried")
    finally:
        holder.kill()
        holder.communicate()
    name, advice = "locks", "mount it with locks, or take another folder: runs would be made twice"
    if both:
        return [Finding(name, False, "both hosts hold the same lock at the same time", advice)]
    talk.say("killed")
    freed = talk.hear("freed")
    if freed is None:
        stays = f"that of a killed process stays for {FREE_SECONDS:.0f} s"
        return [Finding(name, False, stays, advice)]
    return [Finding(name, True, f"exclude; that of a killed process was free after {freed:.1f} s")]


def _try(talk: Meeting) -> None:
    lock = talk.folder / talk.hear("holds")
    with exclusive(lock, wait=False) as both:
        talk.say("tried", both)
    if both:
        return
    talk.hear("killed")
    start = time.monotonic()
    while (waited := time.monotonic() - start) < FREE_SECONDS:
        with exclusive(lock, wait=False) as free:
            if free:
                talk.say("freed", waited)
                return
        time.sleep(POLL_SECONDS)
    talk.say("freed", None)


def _ask(talk: Meeting) -> list[Finding]:
    """Rename files in turns: how long until each is seen, and what the other's clock says."""
    took, apart = [], []
    for number in range(1, ROUNDS + 1):
        start, here = time.monotonic(), time.time()
        talk.say("asks", [number])
        there = talk.hear("answers", number)[1]
        took.append(time.monotonic() - start)
        middle = here + took[-1] / 2
        apart.append(max(0.0, abs(there - middle) - took[-1] / 2))
    slow, off = max(took), min(apart)
    return [
        Finding(
            "renames",
            slow <= SEEN_SECONDS,
            f"seen there, and another one here, within {slow:.2f} s",
            "mount it without caches of names and attributes: docs/cluster.md says how",
        ),
        Finding("clocks", off <= CLOCK_SECONDS, f"at least {off:.1f} s apart", "run NTP on both"),
    ]


def _answer(talk: Meeting) -> None:
    for number in range(1, ROUNDS + 1):
        talk.hear("asks", number)
        talk.say("answers", [number, time.time()])


def main(arguments: list[str]) -> None:
    """Hold the lock until killed, or the parent is gone."""
    with exclusive(Path(arguments[0])):
        print("held", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
