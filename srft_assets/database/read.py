"""Rows of the database for commands that must start fast.

A plan, `stats` and `sql` need a few rows of batches and gold labels. Importing SQLAlchemy for them
would take a fifth of a second, the standard library's `sqlite3` takes none. Whatever stands in its
way (no SQLite file, tables of an earlier version, damage) is left to `srft_assets.database.store`.
"""

import os
import sqlite3
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from srft_assets.home import Home

HEAD = "0005"
"""Revision of `migrations/` that the tables of `store.py` have."""
FILE = "sqlite:///"


def read_rows(home: Home, query: str, **values: str) -> list[tuple[Any, ...]]:
    """Rows of a SELECT with `:name` for each value, in SQL that every database knows.

    No rows where there is no database yet, and none is made. Raises SrftError where it is damaged.
    """
    url = home.database_url
    file = Path(url.removeprefix(FILE))
    if url.startswith(FILE) and not file.exists():
        return []
    with suppress(sqlite3.Error, OSError):
        state = file.stat()
        connection = _connection(file, (state.st_dev, state.st_ino), os.getpid())
        if connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]:
            return connection.execute(query, values).fetchall()
    import sqlalchemy as sa

    from srft_assets.database.store import database_of

    with database_of(home).read() as opened:
        return [tuple(row) for row in opened.execute(sa.text(query), values)]


@cache
def _connection(file: Path, identity: tuple[int, int], process: int) -> sqlite3.Connection:
    """One a process and file, for reading only; opening one takes longer than most queries."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
