"""What a question may do: read the warehouse, and nothing else."""

import re
import threading
from collections.abc import Mapping
from typing import Any

import duckdb

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.catalogue import Catalogue
from srft_assets.warehouse.sql import Config, connect, first_line, glob_of, text_literal

CONFIG: Config = {
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "enable_external_file_cache": False,
}
_OPENING = threading.Lock()
"""DuckDB gives one process one database a file: its locking must not be seen half done."""


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
        if not _locked(connection):
            allowed = ", ".join(map(text_literal, _folders(home)))
            connection.execute(f"SET allowed_directories = [{allowed}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
    return connection


def _folders(home: Home) -> list[str]:
    """What may be read: the folder as it is named, and as the pattern that matches only it."""
    return [str(home.warehouse), glob_of(home.warehouse)]


def _locked(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether another connection of this process has locked the database that both share."""
    found = connection.execute("SELECT current_setting('lock_configuration')").fetchall()
    return bool(found[0][0])


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
