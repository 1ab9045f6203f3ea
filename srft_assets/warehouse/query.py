"""Questions to the warehouse, by name or in SQL."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import duckdb
import polars as pl
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.allowed import check_plan, check_statement, first_line
from srft_assets.warehouse.readonly import open_readonly
from srft_assets.warehouse.statements import query_file, sql_files
from srft_assets.warehouse.steady import read_steady

__all__ = ["open_readonly", "run_query", "view_names"]

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
    query = query_file(name)
    if query is not None:
        return query.text
    names = view_names(connection)
    if name in names:
        return f"FROM {name}"
    known = [*names, *(file.name for file in sql_files("queries"))]
    raise SrftError(f"no query, table or view {name!r}; {_close(name, known)}")


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
    return line


def _close(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    return 'list them with: srft sql "SHOW TABLES"'
