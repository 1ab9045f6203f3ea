"""The database of a platform: what many processes share and nobody may lose.

Answers of critics, claims of calls under way, batches at providers, gold labels, batches, seeds.
SQLAlchemy Core over SQLite, by default the file `srft.db` in `SRFT_HOME`, or over PostgreSQL, where
several machines share a home; `SRFT_DATABASE` is the URL. Statements are those that both know.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from srft_assets.database.backup import UPGRADE, back_up
from srft_assets.database.engine import (
    SCHEMA,
    engine_of,
    file_of,
    move_tables,
    parsed_url,
    refuse_two,
)
from srft_assets.database.read import HEAD
from srft_assets.errors import SrftError
from srft_assets.files import replacing
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive

METADATA = sa.MetaData()
MIGRATIONS = Path(__file__).parent / "migrations"
AT_ONCE = 500
"""Keys of one `IN`."""


class ExactText(sa.TypeDecorator[str]):
    """Text of others, kept exactly: zero bytes and lone surrogates included, as UTF-8 bytes."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        """To the database."""
        return None if value is None else value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> str | None:
        """From the database."""
        return None if value is None else bytes(value).decode("utf-8", "surrogatepass")


ANSWERS = sa.Table(
    "answers",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(32), nullable=False),
    sa.Column("critic", sa.String, nullable=False),
    sa.Column("batch", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("about", ExactText, nullable=False),
    sa.Column("model", ExactText, nullable=False),
    sa.Column("finish_reason", ExactText),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("retries", sa.BigInteger, nullable=False),
    sa.Column("content", ExactText),
    sa.Column("refusal", ExactText),
    sa.Index("answers_of_partition", "critic", "batch"),
    sa.Index("answers_by_time", "at"),
)
"""One row a request that was answered; `key` is its hash. See `srft_assets.critic.calls.Reply`."""

DIGESTED = (
    *("key", "content", "refusal", "finish_reason", "model"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "seconds", "retries"),
    *("at", "critic", "about", "batch"),
)
"""Columns of an answer, in the order in which its digest has them."""


def answer_digest(row: Mapping[str, Any]) -> str:
    """32 hex digits of an answer, by which damage is known."""
    told = json.dumps({column: row[column] for column in DIGESTED})
    return hashlib.sha256(told.encode()).hexdigest()[:32]


CLAIMS = sa.Table(
    "claims",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
)
"""Requests that somebody asks at this moment. An owner holds a lock of its name while it lives."""

JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("critic", sa.String, nullable=False),
    sa.Column("batch", sa.String, nullable=False),
    sa.Column("model", ExactText, nullable=False),
    sa.Column("url", sa.String, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("file", sa.String),
    sa.Column("remote", sa.String),
    sa.Index("jobs_by_time", "at"),
)
"""Batches at a provider, of many requests each. See `srft_assets.critic.jobs.Job`."""

JOB_CALLS = sa.Table(
    "job_calls",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("job", sa.String(32), nullable=False),
    sa.Column("about", ExactText, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Index("calls_of_job", "job"),
)
"""Requests of jobs; once a job is read, those that it answered. `key` is that of the ledger."""

GOLD_LABELS = sa.Table(
    "gold_labels",
    METADATA,
    sa.Column("set_name", sa.String(128), primary_key=True),
    sa.Column("trajectory_id", sa.String, primary_key=True),
    sa.Column("step_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("annotator", sa.String, primary_key=True),
    sa.Column("label", sa.String(32)),
    sa.Column("note", sa.String, nullable=False),
    sa.Column("given_at", sa.String),
)
"""What people say of steps. See `srft_assets.critic.gold.labels.GoldLabel`."""

BATCHES = sa.Table(
    "batches",
    METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("written_ns", sa.BigInteger, nullable=False, server_default="0"),
)
"""Registered batches; `number` is the order of registration, `manifest` JSON, `written_ns` when it
was written. See `srft_assets.trajectories.batches.Manifest`."""

TURNS = sa.Table(
    "turns",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)
"""How many turns of making a partition have begun, by `asset/partition`. See
`srft_assets.warehouse.turn`."""

SEEDS = sa.Table("seeds", METADATA, sa.Column("name", sa.String(20), primary_key=True))
"""Seeds of training that were asked for, beside the first. See `srft_assets.seeds`."""


_REVISION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), primary_key=True),
)
"""Alembic's own table."""


class Database:
    """One database, its tables of this version. May be shared by threads, not over a fork."""

    def __init__(self, url: sa.URL, locks: Path) -> None:
        self.url = url
        self.file = file_of(url)
        self.locks = locks
        """Folder of the locks that belong to this database."""
        self._engine = engine_of(url)
        self._writing = Lock()
        self._identity = _identity(self.file)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one moment."""
        with self._told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction: what it wrote is durable, and seen by others, when it is left.

        It blocks for as long as the disk takes: from a coroutine, use it in a thread.
        """
        with self._writing, self._told():
            if self.replaced():
                raise SrftError(f"{self.file} was moved away or replaced during work: run again")
            with self._engine.execution_options(writes=True).begin() as connection:
                yield connection

    def rows(self, table: sa.Table, keys: Collection[str], *columns: sa.Column[Any]) -> list[Any]:
        """Rows of a table, or these columns of them, by the first column of its primary key."""
        key = next(iter(table.primary_key))
        wanted = sa.select(*(columns or (table,)))
        found: list[Any] = []
        with self.read() as connection:
            distinct = list(dict.fromkeys(keys))
            for start in range(0, len(distinct), AT_ONCE):
                some = distinct[start : start + AT_ONCE]
                found += connection.execute(wanted.where(key.in_(some)))
        return found

    def replaced(self) -> bool:
        """Whether the file is another one than was opened."""
        return _identity(self.file) != self._identity

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Failures in one line, with the way out."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())[:200]
            if "malformed" in reason or "not a database" in reason:
                raise SrftError(
                    f"{self.file} is damaged ({reason}): srft doctor --repair moves it aside, and "
                    "puts the last copy of srft backup in its place, with the answers of "
                    "warehouse/critic_calls"
                ) from error
            raise SrftError(f"{self.file or self.url.render_as_string()}: {reason}") from error


def insert_once(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row; False where there is one of its key already, which then stays."""
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table), row)
    except IntegrityError:
        return False
    return True


def database_of(home: Home) -> Database:
    """The database of a platform, made or brought to this version where need be.

    A copy of an earlier version is kept (`backup.py`). Raises SrftError where it is damaged or of a
    later version, UsageError for a wrong URL.
    """
    return database_at(_url(home), home)


def database_file(home: Home) -> Path | None:
    """Where the SQLite file of a platform lies, whether it is there or not; None where its database
    is another. Raises UsageError."""
    return file_of(_url(home))


def database_at(url: sa.URL, home: Home) -> Database:
    """The database of this URL, as `database_of`."""
    file = file_of(url)
    return _opened(url, Path(f"{file}-locks") if file else home.root / "database-locks")


def _url(home: Home) -> sa.URL:
    return parsed_url(home.database_url, "SRFT_DATABASE")


def _opened(url: sa.URL, locks: Path) -> Database:
    database = _known(url, locks, os.getpid())
    if database.replaced():
        _known.cache_clear()
        database = _known(url, locks, os.getpid())
    return database


@cache
def _known(url: sa.URL, locks: Path, process: int) -> Database:
    """One a process and file: its connections stay open, since the last one to close costs."""
    file = file_of(url)
    if file and not file.exists():
        with exclusive(locks / "upgrade.lock"):
            if not file.exists():
                _create(url, file)
    database = Database(url, locks)
    if _revision(database) != HEAD:
        with exclusive(locks / "upgrade.lock"):
            found = _revision(database)
            if file and found != HEAD and found in _revisions():
                back_up(file, UPGRADE)
            # On PostgreSQL writers take turns: another host may have been first.
            with database.write() as connection:
                if not file and _revision_in(connection) is None:
                    _fill(connection)
                if _revision_in(connection) != HEAD:
                    _upgrade(connection)
    return database


def _create(url: sa.URL, file: Path) -> None:
    """Make the file beside its place: where there is one, it is whole and has all tables."""
    with replacing(file) as beside:
        beside.touch(0o600)  # SQLite gives what it puts beside a file the mode of that file
        engine = engine_of(url.set(database=str(beside)))
        with engine.execution_options(writes=True).begin() as connection:
            _fill(connection)
        engine.dispose()


def _fill(connection: sa.Connection) -> None:
    before = None
    if connection.dialect.name == "postgresql":
        connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
        before = move_tables(connection, METADATA.tables)
    if before is None:
        METADATA.create_all(connection)
    _REVISION.metadata.create_all(connection)
    connection.execute(sa.insert(_REVISION), {"version_num": before or HEAD})


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not database.file:
            refuse_two(connection)
        return _revision_in(connection)


def _revision_in(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_REVISION.name):
        return None
    return connection.execute(sa.select(_REVISION.c.version_num)).scalar()


def _revisions() -> set[str]:
    """Those that this version knows."""
    from alembic.script import ScriptDirectory

    return {one.revision for one in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SrftError(f"the database is of another version of srft: {error}") from error


def _identity(file: Path | None) -> tuple[int, int] | None:
    try:
        state = file.stat() if file else None
    except FileNotFoundError:
        return None
    return (state.st_dev, state.st_ino) if state else None
