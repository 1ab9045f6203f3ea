"""Which statements `srft sql` accepts: one question, nothing that writes or configures."""

import re
from collections.abc import Mapping
from typing import Any

import duckdb

from srft_assets.errors import SrftError

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


def first_line(error: BaseException) -> str:
    """DuckDB's message up to its blank line, on one line, without the kind of error."""
    message = str(error).split("\n\n")[0].split("\nLINE ")[0]
    head, colon, rest = " ".join(message.split()).partition(": ")
    return rest if colon and head.endswith("Error") else f"{head}{colon}{rest}"
