"""A laptop's database to PostgreSQL, or back: every row, in one transaction."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from srft_assets.database.engine import parsed_url
from srft_assets.database.store import AT_ONCE, CLAIMS, METADATA, TURNS, database_at, database_of
from srft_assets.errors import UsageError
from srft_assets.home import Home


def copy_database(home: Home, stated: str) -> dict[str, int]:
    """Copy all rows to another database, in one transaction; table → rows that were not there.

    Claims and turns are left out: whoever has one asks the database of before. Raises UsageError
    for a wrong URL, and where a row is there that differs.
    """
    url = parsed_url(stated, "the target")
    source, target = database_of(home), database_at(url, home)
    if source.url == url:
        raise UsageError("that is the database of this platform already")
    copied = {}
    with source.read() as there, target.write() as here:
        for table in METADATA.sorted_tables:
            if table not in (CLAIMS, TURNS):
                copied[table.name] = 0
                for some in there.execute(sa.select(table)).yield_per(AT_ONCE).partitions():
                    try:
                        copied[table.name] += _insert_new(here, table, some)
                    except (IntegrityError, ValueError) as error:  # PostgreSQL has no zero bytes
                        place, told = url.render_as_string(), " ".join(str(error).split())[:200]
                        raise UsageError(
                            f"{place} takes no such {table.name} ({told}): name an empty database"
                        ) from error
    return copied


def _insert_new(here: sa.Connection, table: sa.Table, rows: Sequence[sa.Row[Any]]) -> int:
    """Insert the rows that are not there; how many. Raises UsageError where one is, and differs."""
    key = list(table.primary_key)

    def key_of(row: sa.Row[Any]) -> tuple[Any, ...]:
        return tuple(row._mapping[column.name] for column in key)

    wanted = sa.tuple_(*key).in_([key_of(row) for row in rows])
    known = {key_of(row): row for row in here.execute(sa.select(table).where(wanted))}
    for row in rows:
        if known.get(key_of(row), row) != row:
            told = ", ".join(map(str, key_of(row)))
            place = here.engine.url.render_as_string()
            raise UsageError(f"{place} holds another {table.name} {told}: name an empty database")
    new = [row._asdict() for row in rows if key_of(row) not in known]
    if new:
        here.execute(sa.insert(table), new)
    return len(new)
