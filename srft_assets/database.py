"""The database of a platform: what many processes share and nobody may lose.

Answers of critics, claims of calls under way, gold labels, batches, seeds. SQLAlchemy Core over
SQLite, by default the file `srft.db` in `SRFT_HOME`; `SRFT_DATABASE` is the URL of another. No
statement is SQLite's own, so that another database can take its place.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from srft_assets.backup import UPGRADE, back_up
from srft_assets.database_read import HEAD
from srft_assets.errors import SrftError, UsageError
from srft_assets.files import replacing
from srft_assets.home import Home
from srft_assets.locks import exclusive

METADATA = sa.MetaData()
MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE_SECONDS = 60
"""How long a statement waits while another process writes."""
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

CLAIMS = sa.Table(
    "claims",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
)
"""Requests that somebody asks at this moment. An owner holds a lock of its name while it lives."""

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

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.file = Path(url.database).absolute() if url.database else None
        self.locks = Path(f"{self.file}-locks")
        """Folder of the locks that belong to this database."""
        self._engine = _engine(url)
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

    A copy of an earlier version is kept; see `srft_assets.backup`. Raises SrftError where it is
    damaged or of a later version, UsageError for a wrong URL.
    """
    return _opened(_url(home))


def database_file(home: Home) -> Path:
    """Where the database of a platform lies, whether it is there or not. Raises UsageError."""
    return Path(str(_url(home).database)).absolute()


def _url(home: Home) -> sa.URL:
    try:
        url = sa.make_url(home.database_url)
    except sa.exc.ArgumentError as error:
        raise UsageError("SRFT_DATABASE is no URL of a database: sqlite:////folder/file") from error
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        told = url.render_as_string(hide_password=True)
        raise UsageError(f"SRFT_DATABASE={told}: only a SQLite file, sqlite:////folder/file")
    return url


def _opened(url: sa.URL) -> Database:
    database = _known(url, os.getpid())
    if database.replaced():
        _known.cache_clear()
        database = _known(url, os.getpid())
    return database


@cache
def _known(url: sa.URL, process: int) -> Database:
    """One a process and file: its connections stay open, since the last one to close costs."""
    file = Path(str(url.database)).absolute()
    if not file.exists():
        with exclusive(Path(f"{file}-locks", "upgrade.lock")):
            if not file.exists():
                _create(url, file)
    database = Database(url)
    if _revision(database) != HEAD:
        with exclusive(database.locks / "upgrade.lock"):
            found = _revision(database)
            if found != HEAD:
                if found in _revisions():
                    back_up(file, UPGRADE)
                with database.write() as connection:
                    _upgrade(connection)
    return database


def _create(url: sa.URL, file: Path) -> None:
    """Make the file beside its place: where there is one, it is whole and has all tables."""
    with replacing(file) as beside:
        beside.touch(0o600)  # SQLite gives what it puts beside a file the mode of that file
        engine = _engine(url.set(database=str(beside)))
        with engine.execution_options(writes=True).begin() as connection:
            METADATA.create_all(connection)
            _REVISION.metadata.create_all(connection)
            connection.execute(sa.insert(_REVISION), {"version_num": HEAD})
        engine.dispose()


def _revision(database: Database) -> str | None:
    with database.read() as connection:
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


def _engine(url: sa.URL) -> sa.Engine:
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


def _identity(file: Path | None) -> tuple[int, int] | None:
    try:
        state = file.stat() if file else None
    except FileNotFoundError:
        return None
    return (state.st_dev, state.st_ino) if state else None
