"""Copies of SQLite files: made while others write, checked, and put back where one is damaged."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from srft_assets.files import move, private, replacing

PARTS = ("", "-wal", "-shm")
"""Suffixes of the files that are one database."""


def back_up(file: Path) -> Path:
    """Copy a database to `<file>-backups/<time>.db`, as of one moment; SQLite's online backup.

    Raises sqlite3.Error where it is damaged or cannot be read.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S-%f")
    target = Path(f"{file}-backups", f"{now}.db")
    with (
        replacing(target) as beside,
        closing(_opened(file)) as source,
        closing(sqlite3.connect(beside)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, that stands for itself
    return target


def backups(file: Path) -> Iterator[Path]:
    """The copies of a database, the last one first."""
    yield from sorted(Path(f"{file}-backups").glob("*.db"), reverse=True)


def unsound(file: Path) -> str:
    """What SQLite's own check finds wrong with a file; empty where it is sound."""
    try:
        with closing(_opened(file)) as connection:
            said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            return "" if said == "ok" else " ".join(said.split())[:200]
    except sqlite3.DatabaseError as error:
        return str(error)


def put_back(file: Path, aside: Path) -> Path | None:
    """Move a damaged database to `aside`, and put the last sound copy in its place.

    None where there is no such copy: the file is then absent.
    """
    private(aside.parent)
    for suffix in reversed(PARTS):
        part = Path(f"{file}{suffix}")
        if part.exists():
            move(part, Path(f"{aside}{suffix}"))
    last = next((copy for copy in backups(file) if not unsound(copy)), None)
    if last is not None:
        with replacing(file) as beside:
            shutil.copyfile(last, beside)
    return last


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
