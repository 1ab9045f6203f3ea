"""Questions to the warehouse, by name or in SQL, answered as of one moment.

DuckDB opens a file twice, once for its footer and once for its pages. Where a partition is
renamed over in between, it fails with `Invalid data`, or, where both states are laid out alike,
mixes them. So a result counts only where no partition changed while it was read.
"""

import difflib
import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.warehouse.access import check_plan, check_statement, open_readonly
from srft_assets.warehouse.catalogue import Schemas, build_catalogue
from srft_assets.warehouse.sql import first_line, sql_files

WORD = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*;?\s*")
FOREIGN = re.compile(r"\b(INTERVAL|UNION|BIT|BIGNUM|VARIANT|TIME WITH TIME ZONE)\b")
"""DuckDB's types that polars lacks or shows as raw bytes, also within lists and structs."""
ATTEMPTS = 5


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


T = TypeVar("T")
PATIENCE_SECONDS = 10.0
LOG = logging.getLogger(__name__)


class DisturbedError(Exception):
    """Partitions changed while they were read."""


def read_steady(home: Home, read: Callable[[], T]) -> T:
    """What `read` returns in a moment in which no partition changes.

    It is tried again for `PATIENCE_SECONDS`. Where partitions change faster than they can be
    read, the last result stands, with a warning: nearly always each partition in it is whole.
    Raises SrftError where the last try failed as well.
    """
    last: list[T] = []

    def once() -> T:
        last.clear()
        before = partition_states(home.warehouse)
        try:
            rows = read()
        except duckdb.Error as error:
            if partition_states(home.warehouse) == before:
                raise
            raise DisturbedError(str(error)) from error
        last.append(rows)
        if partition_states(home.warehouse) != before:
            raise DisturbedError("partitions changed while they were read")
        return rows

    retrying = Retrying(
        retry=retry_if_exception_type(DisturbedError),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_fixed(0.02),
    )
    try:
        return retrying(once)
    except RetryError:
        if not last:
            raise SrftError("partitions change faster than they can be read: ask again") from None
        LOG.warning("partitions changed while they were read: a figure may mix two states")
        return last[0]


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
