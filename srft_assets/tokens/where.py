"""The setting `where` of an arm: an SQL condition, asked of the runs of one batch."""

import re

import duckdb
import polars as pl

from srft_assets.errors import SrftError
from srft_assets.warehouse.allowed import first_line
from srft_assets.warehouse.connection import Config, connect
from srft_assets.warehouse.statements import sql_files

CONFIG: Config = {
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "enable_external_access": False,
}
READ = {
    "trajectories": (
        "trajectory_id",
        "instance_id",
        "batch",
        "scaffold",
        "format",
        "model",
        "exit_status",
        "n_steps",
        "submission",
        "source",
    ),
    "test_outcomes": (
        "trajectory_id",
        "status",
        "f2p_passed",
        "f2p_total",
        "p2p_passed",
        "p2p_total",
        "grader",
    ),
}
"""Columns that `sql/arms/candidates.sql` reads."""
ONE = "it must be one condition, as after WHERE"


def ids_where(condition: str, runs: pl.DataFrame, outcomes: pl.DataFrame) -> set[str]:
    """Trajectory ids of the runs for which the condition is true.

    `runs` and `outcomes` are rows of `trajectories` and `test_outcomes`; the columns of
    `sql/arms/candidates.sql` can be named. The condition is asked in a database in memory that
    holds nothing else, reads no file and cannot be configured. It must be one expression, and
    always give the same answer. Raises SrftError with one line otherwise.
    """
    with connect(config=CONFIG) as connection:
        _fill(connection, {"trajectories": runs, "test_outcomes": outcomes})
        try:
            _check(connection, condition)
            candidates = connection.table("candidates")
            kinds = [str(kind) for kind in candidates.project(condition).types]
            if kinds != ["BOOLEAN"]:
                given = kinds[0] if len(kinds) == 1 else f"{len(kinds)} values"
                raise SrftError(f"where gives {given}: {ONE}")
            found = candidates.filter(condition).project("trajectory_id").fetchall()
        except duckdb.Error as error:
            raise SrftError(f"where: {first_line(error)}") from None
        return {trajectory_id for (trajectory_id,) in found}


def candidates_sql() -> tuple[str, str]:
    """What decides the columns that a condition can name: a macro, and the query that uses it."""
    texts = {(file.kind, file.name): file.text for file in sql_files("macros", "arms")}
    return texts["macros", "repo_of"], texts["arms", "candidates"]


def _fill(connection: duckdb.DuckDBPyConnection, frames: dict[str, pl.DataFrame]) -> None:
    for name, frame in frames.items():
        connection.register("given", frame.select(READ[name]).to_arrow())
        connection.execute(f"CREATE TEMP TABLE {name} AS FROM given")
        connection.unregister("given")
    macro, candidates = candidates_sql()
    connection.execute(macro)
    connection.execute(f"CREATE TABLE candidates AS {candidates}")
    for name in frames:
        connection.execute(f"DROP TABLE {name}")
    connection.execute("SET lock_configuration = true")


def _check(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    """One expression, by DuckDB's parser: alone, where it cuts off a LIMIT, and in brackets,
    where a bracket of its own could close them, it must hold."""
    if not condition.strip() or _torn(condition):
        raise SrftError(f"where is empty or no text: {ONE}")
    asked = connection.extract_statements(f"SELECT 1 WHERE (\n{condition}\n)")
    alone = connection.extract_statements(f"SELECT {condition}")
    select = duckdb.StatementType.SELECT
    if [one.type for one in (*asked, *alone)] != [select, select]:
        raise SrftError(f"where holds several statements: {ONE}")
    words = {word.lower() for word in _words(condition)}
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    unstable = {str(name) for (name,) in connection.execute(query).fetchall()}
    if found := sorted(words & unstable):
        raise SrftError(f"where calls {found[0]}, which does not always give the same answer")


def _torn(text: str) -> bool:
    """Whether the text holds half a character (a lone surrogate)."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def _words(condition: str) -> list[str]:
    """All words outside of strings and comments."""
    places = duckdb.tokenize(condition)
    ends = [start for start, _ in places[1:]] + [len(condition.encode())]
    text = condition.encode()
    quoted = (duckdb.token_type.string_const, duckdb.token_type.comment)
    pieces = (
        text[start:end].decode(errors="replace")
        for (start, kind), end in zip(places, ends, strict=True)
        if kind not in quoted
    )
    return [word for piece in pieces for word in re.findall(r"\w+", piece)]
