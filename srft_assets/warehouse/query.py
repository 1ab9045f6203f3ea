"""Questions to the warehouse, by name or in SQL: they may read it and do nothing else, and are
answered as of one moment.

DuckDB opens a file twice, once for its footer and once for its pages. Where a partition is
renamed over in between, it fails with `Invalid data`, or, where both states are laid out alike,
mixes them. So a result counts only where no partition changed while it was read.
"""

import difflib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.warehouse.catalogue import Catalogue, Schemas, build_catalogue
from srft_assets.warehouse.sql import (
    Config,
    connect,
    first_line,
    glob_of,
    sql_files,
    text_literal,
)

T = TypeVar("T")
LOG = logging.getLogger(__name__)
WORD = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*;?\s*")
FOREIGN = re.compile(r"\b(INTERVAL|UNION|BIT|BIGNUM|VARIANT|TIME WITH TIME ZONE)\b")
"""DuckDB's types that polars lacks or shows as raw bytes, also within lists and structs."""
ATTEMPTS = 5
PATIENCE_SECONDS = 10.0
CONFIG: Config = {
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "enable_external_file_cache": False,
}
_OPENING = threading.Lock()
"""DuckDB gives one process one database a file: its locking must not be seen half done."""


def run_query(
    home: Home, text_or_name: str, parameters: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """The rows of a named query, of a table or view given by its bare name, or of a question.

    They are those of one moment, also while a run replaces partitions (`read_steady`).
    Raises SrftError with one line where the question is refused or wrong.
    """
    with _opened(home) as connection:
        text = check_statement(connection, _text_of(text_or_name, connection))
        try:
            return read_steady(home, lambda: _rows(connection, text, parameters))
        except duckdb.Error as error:
            raise SrftError(_reason(error, connection)) from None


def view_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Tables and statistics of the catalogue, sorted."""
    found = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
    return sorted(name for (name,) in found.fetchall())


def _opened(home: Home) -> duckdb.DuckDBPyConnection:
    """Opens again where the catalogue was replaced between the look at it and the opening."""
    retrying = Retrying(
        retry=retry_if_exception_type(duckdb.IOException),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_fixed(0.05),
        reraise=True,
    )
    try:
        return retrying(open_readonly, home)
    except duckdb.IOException as error:
        raise SrftError(f"cannot open the catalogue: {first_line(error)}") from None


def _text_of(text_or_name: str, connection: duckdb.DuckDBPyConnection) -> str:
    word = WORD.fullmatch(text_or_name)
    if word is None:
        return text_or_name
    name = word[1]
    queries = {file.name: file.text for file in sql_files("queries")}
    if name in queries:
        return queries[name]
    names = view_names(connection)
    if name in names:
        return f"FROM {name}"
    raise UsageError(f"no query, table or view {name!r}; {_close(name, [*names, *queries])}")


def _rows(
    connection: duckdb.DuckDBPyConnection, text: str, parameters: Mapping[str, Any] | None
) -> pl.DataFrame:
    """The result. Where polars lacks a type (`FOREIGN`), all columns come as text."""
    check_plan(connection, text, parameters)
    rows = connection.sql(text, params=dict(parameters) if parameters else None)
    if any(FOREIGN.search(str(kind)) for kind in rows.types):
        rows = rows.project("CAST(COLUMNS(*) AS VARCHAR)")
    return rows.pl()


def _reason(error: duckdb.Error, connection: duckdb.DuckDBPyConnection) -> str:
    line = first_line(error)
    if isinstance(error, duckdb.PermissionException):
        return f"{line.rstrip('.')}: only the warehouse can be read"
    unknown = re.search(r"Table with name (\S+) does not exist", line)
    if unknown:
        return f"no table or view {unknown[1]!r}; {_close(unknown[1], view_names(connection))}"
    if ".parquet" in line and not isinstance(
        error, duckdb.CatalogException | duckdb.BinderException
    ):
        return f"{line}: srft doctor --repair moves a damaged file aside, srft apply makes it again"
    return line


def _close(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    return 'list them with: srft sql "SHOW TABLES"'


def read_steady(home: Home, read: Callable[[], T]) -> T:
    """What `read` returns in a moment in which no partition changes.

    It is tried again for `PATIENCE_SECONDS`. Where partitions change faster than they can be
    read, the last result stands, with a warning: nearly always each partition in it is whole.
    Raises SrftError where the last try failed as well.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        before = partition_states(home.warehouse)
        failed: duckdb.Error | None = None
        try:
            rows = read()
        except duckdb.Error as error:
            failed = error
        steady = partition_states(home.warehouse) == before
        if not steady and time.monotonic() < until:
            time.sleep(0.02)
        elif failed and steady:
            raise failed
        elif failed:
            raise SrftError("partitions change faster than they can be read: ask again") from failed
        else:
            if not steady:
                LOG.warning("partitions changed while they were read: a figure may mix two states")
            return rows


def partition_states(root: Path) -> frozenset[tuple[str, int, int, int]]:
    """Path, inode, time and size of every partition file."""
    states = set()
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".parquet"):
                path = f"{folder}/{name}"
                try:
                    state = os.stat(path)  # noqa: PTH116  # a Path each would take twice as long
                except FileNotFoundError:
                    continue
                states.add((path, state.st_ino, state.st_mtime_ns, state.st_size))
    return frozenset(states)


def offending_rows(
    home: Home, schemas: Schemas, name: str, parameters: Mapping[str, Any]
) -> pl.DataFrame:
    """Rows that break the invariant `name`. Raises KeyError for an unknown name."""
    texts = {file.name: file.text for file in sql_files("checks")}
    build_catalogue(home, schemas)
    return run_query(home, texts[name], parameters)


def open_readonly(home: Home) -> duckdb.DuckDBPyConnection:
    """A connection that reads the warehouse and can do nothing else.

    It cannot write, attach, install, load, see variables of this process, or read files
    outside this folder, and its configuration is locked. COPY into them is what DuckDB
    itself still allows: `check_statement` and `check_plan` refuse it. Raises SrftError where
    there is no catalogue.
    """
    catalogue = Catalogue(home)
    digest = catalogue.digest()
    if digest is None:
        raise SrftError(f"no warehouse in {home.root}: run `srft ingest PATH` or `srft demo`")
    with _OPENING:
        connection = connect(catalogue.views(digest), read_only=True, config=CONFIG)
        # Another connection of this process may have locked the database that both share.
        locked = connection.execute("SELECT current_setting('lock_configuration')").fetchall()
        if locked != [(True,)]:
            # The folder as it is named, and as the pattern that matches only it.
            allowed = map(text_literal, (str(home.warehouse), glob_of(home.warehouse)))
            connection.execute(f"SET allowed_directories = [{', '.join(allowed)}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
    return connection


EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
WRITES = re.compile(r'"name":\s*"(\w*COPY_TO_FILE|JSON_EXECUTE_SERIALIZED_SQL)\s*"')
"""Parts of a plan that write, or run a statement that the plan does not show."""
HINT = "ask with one SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN"


def check_statement(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """The text, where it is one question. Raises SrftError with the reason otherwise.

    DuckDB's own parser says what a statement is; what it cannot say (EXPLAIN ANALYZE runs
    whatever follows) is parsed again without the word.
    """
    statements = _parse(connection, text)
    if not statements:
        raise SrftError(f"no SQL given: {HINT}")
    if len(statements) > 1:
        raise SrftError(f"{len(statements)} statements given: ask one at a time")
    kind = _kind(statements[0])
    if kind == duckdb.StatementType.EXPLAIN:
        found = EXPLAIN.match(text)
        explained = _parse(connection, text[found.end() :]) if found else []
        if [_kind(one) for one in explained] != [duckdb.StatementType.SELECT]:
            raise SrftError(f"only a SELECT can be explained: {HINT}")
    elif kind != duckdb.StatementType.SELECT:
        raise SrftError(f"{_named(kind)} is not allowed, the warehouse is read-only: {HINT}")
    return text


def check_plan(
    connection: duckdb.DuckDBPyConnection, text: str, parameters: Mapping[str, Any] | None
) -> None:
    """Refuse, with SrftError, a question that writes: WITH may hold a COPY, which the parser's
    kind of statement does not tell. Raises duckdb.Error where the question is wrong.
    """
    asked = EXPLAIN.sub("", text, count=1) if EXPLAIN.match(text) else text
    explain = f"EXPLAIN (FORMAT JSON) {asked}"
    plan = connection.execute(explain, dict(parameters) if parameters else None).fetchall()
    if any(WRITES.search(part) for row in plan for part in row):
        raise SrftError(f"COPY is not allowed, the warehouse is read-only: {HINT}")


def _parse(connection: duckdb.DuckDBPyConnection, text: str) -> list[duckdb.Statement]:
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise SrftError("wrong SQL: it is no valid UTF-8")
    try:
        return connection.extract_statements(text)
    except duckdb.Error as error:
        raise SrftError(f"wrong SQL: {first_line(error)}") from None


def _kind(statement: duckdb.Statement) -> duckdb.StatementType:
    try:
        return statement.type
    except ValueError:  # a kind that DuckDB's own list for Python lacks
        return duckdb.StatementType.INVALID


def _named(kind: duckdb.StatementType) -> str:
    if kind == duckdb.StatementType.INVALID:
        return "this statement"
    name = kind.name.replace("_", " ")
    return "PIVOT or another statement of several parts" if name == "MULTI" else name
