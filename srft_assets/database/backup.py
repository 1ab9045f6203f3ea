"""Copies of SQLite files: made while others write, checked, and put back where one is damaged."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from srft_assets.errors import SrftError
from srft_assets.files import move, private, replacing

PARTS = ("", "-wal", "-shm")
"""Suffixes of the files that are one database."""
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
UPGRADE = "-upgrade"
KEPT = 3
"""Copies that upgrades made; those of `srft backup` all stay."""


def back_up(file: Path, mark: str = "") -> Path:
    """Copy a database to `<file>-backups/<time><mark>.db`, as of one moment.

    By SQLite's online backup. Raises sqlite3.Error where it is damaged or cannot be read.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S-%f")
    target = Path(f"{file}-backups", f"{now}{mark}.db")
    with (
        replacing(target) as beside,
        closing(_opened(file)) as source,
        closing(sqlite3.connect(beside)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, that stands for itself
    for old in sorted(target.parent.glob(f"*{UPGRADE}.db"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return target


def backups(file: Path) -> Iterator[Path]:
    """The copies of a database, the last one first."""
    yield from sorted(Path(f"{file}-backups").glob("*.db"), reverse=True)


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file is damaged, and not that it cannot be read now."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGE


def unsound(file: Path, deep: bool = True) -> str:
    """What SQLite's own check finds wrong with a file; empty where it is sound.

    Not `deep`: whether the head and the definitions of its tables can be read. Raises SrftError
    where that cannot be said: locked, no handles, an error of the disk.
    """
    try:
        with closing(_opened(file)) as connection:
            if not deep:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                return ""
            said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            return "" if said == "ok" else " ".join(said.split())[:200]
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        raise SrftError(f"{file} cannot be read now: {error}") from error


def put_back(file: Path, aside: Path) -> Path | None:
    """Move a damaged database to `aside`, and put the last sound copy in its place.

    None where there is no such copy: the file is then absent. A kill leaves the damaged file or
    the copy, and never none; what SQLite keeps beside the damaged one is gone before the copy is
    there, as it would be taken for the copy's.
    """
    last = next((copy for copy in backups(file) if not unsound(copy)), None)
    if last is None:
        put_aside(file, aside)
        return None
    with replacing(file) as beside:
        shutil.copyfile(last, beside)
        put_aside(file, aside, stays=True)
    return last


def put_aside(file: Path, aside: Path, stays: bool = False) -> None:
    """Move a database, and what SQLite keeps beside it; `stays`: the file itself keeps its place
    too."""
    private(aside.parent)
    for suffix in reversed(PARTS):
        part = Path(f"{file}{suffix}")
        if part.exists():
            move(part, Path(f"{aside}{suffix}"), stays=stays and not suffix)


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
