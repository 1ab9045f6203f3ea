"""What is SQLite's own and what PostgreSQL's own in the database of a platform."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from srft_assets.errors import SrftError, UsageError
from srft_assets.plugins import need

PATIENCE_SECONDS = 60
"""How long a statement waits while another process writes."""
POSTGRES = "postgresql+psycopg2"
"""Dagster's storage takes the same URL; SQLAlchemy reads `postgresql://` as another driver's."""
SCHEMA = "srft_state"
"""Of our tables on PostgreSQL: Dagster's lie in the same database, and have revisions too, and are
looked for in the schema of the account's name first: no account is likely to be named so."""
SCHEMA_BEFORE = "srft"
"""Of our tables in earlier versions; Dagster's lie there too where the account is named so."""
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""Seconds, and tries, until a connection to a host that is gone counts as lost; the server is told
the same, so that it frees what a lost host holds."""
UNHEARD = 25_000
"""Milliseconds that the server waits for a host to take what it sends."""
WRITERS = 0x73726674
"""PostgreSQL's advisory lock that writers hold until their transaction ends."""


def parsed_url(stated: str, named: str) -> sa.URL:
    """The URL of a SQLite file or of a PostgreSQL database; `named`: where it is stated.

    Raises UsageError for any other, without its password.
    """
    try:
        url = sa.make_url(stated)
    except sa.exc.ArgumentError as error:
        raise UsageError(f"{named} is no URL of a database: sqlite:////folder/file") from error
    in_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    if not in_file and url.drivername != POSTGRES:
        told = url.render_as_string(hide_password=True)
        raise UsageError(
            f"{named}={told}: only a SQLite file, sqlite:////folder/file, or PostgreSQL, "
            f"{POSTGRES}://USER@HOST/DATABASE"
        )
    return url


def file_of(url: sa.URL) -> Path | None:
    """The file of a SQLite database; None for another."""
    return Path(str(url.database)).absolute() if url.get_backend_name() == "sqlite" else None


def engine_of(url: sa.URL) -> sa.Engine:
    """An engine whose transactions see one moment. Those with the execution option `writes` take
    turns, over all processes. Raises SrftError where PostgreSQL's driver is not installed."""
    return _sqlite(url) if file_of(url) else _postgres(url)


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": PATIENCE_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # A reader that turns writer fails at once where another wrote meanwhile: writers wait here.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: sa.URL) -> sa.Engine:
    need("postgres")
    options = f"-c lock_timeout={PATIENCE_SECONDS}s -c search_path={SCHEMA}"
    options += f" -c tcp_user_timeout={UNHEARD}"
    options += "".join(f" -c tcp_{name}={value}" for name, value in KEEPALIVES.items())
    told = {"application_name": "srft", "connect_timeout": PATIENCE_SECONDS, "options": options}
    engine = sa.create_engine(url, pool_pre_ping=True, connect_args={**told, **KEEPALIVES})

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("writes"):
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (WRITERS,))
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine


def move_tables(connection: sa.Connection, tables: Collection[str]) -> str | None:
    """Move those of our tables that an earlier version made to our schema, which is there.

    Returns their revision, None where there are none. It is told by the tables: where Dagster's lie
    beside them, so does Dagster's revision.
    """
    known = sa.inspect(connection)
    if not known.has_table("answers", SCHEMA_BEFORE):
        return None
    with_jobs = known.has_table("job_calls", SCHEMA_BEFORE)
    for table in tables:
        # Dagster has a table `jobs`, too.
        if known.has_table(table, SCHEMA_BEFORE) and (with_jobs or table != "jobs"):
            moved = f'ALTER TABLE "{SCHEMA_BEFORE}"."{table}" SET SCHEMA "{SCHEMA}"'
            connection.exec_driver_sql(moved)
    return "0004" if with_jobs else "0003"


def refuse_two(connection: sa.Connection) -> None:
    """Raises SrftError where an earlier version made tables beside those of this one."""
    known = sa.inspect(connection)
    if known.has_table("answers", SCHEMA) and known.has_table("answers", SCHEMA_BEFORE):
        raise SrftError(
            f"{connection.engine.url.render_as_string()}: there are answers of an earlier version "
            f"in the schema {SCHEMA_BEFORE}, and others in {SCHEMA}: drop {SCHEMA} where it is the "
            f"empty one, and the earlier tables move there, or rename {SCHEMA_BEFORE}.answers"
        )
