"""Creating macros, tables and statistics in a DuckDB database, from the SQL files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template

import duckdb
import polars as pl

from srft_assets.home import Home
from srft_assets.warehouse.connection import connect
from srft_assets.warehouse.empty import SCHEMA_FILE, duckdb_types
from srft_assets.warehouse.literal import glob_of, schema_literal, text_literal
from srft_assets.warehouse.statements import SqlFile

Schemas = Mapping[str, pl.Schema]
"""Row schema by table: the first part of the asset key."""

SOURCES = ("templates", "macros", "tables", "views")
"""Folders whose files make the catalogue."""


def create_views(
    connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[SqlFile], schemas: Schemas
) -> None:
    """Create everything in a database, in one transaction. Raises duckdb.Error for wrong SQL.

    Folders and types reach SQL as escaped literals, in `sql/templates`
    only; all other files are plain SQL. A view may read any other, whatever its file's name:
    an order that suits is found by trying, in memory.
    """
    with connect() as scratch:
        ready = list(_filled_templates(scratch, home, files, schemas))
        for text in ready:
            scratch.execute(text)
        ready += _in_order(scratch, [file.text for file in files if file.kind != "templates"])
    connection.execute("BEGIN")
    for text in ready:
        connection.execute(text)
    connection.execute("COMMIT")


def _filled_templates(
    scratch: duckdb.DuckDBPyConnection, home: Home, files: Sequence[SqlFile], schemas: Schemas
) -> Iterator[str]:
    templates = {file.name: Template(file.text) for file in files if file.kind == "templates"}
    yield templates["warehouse"].substitute(
        root=text_literal(str(home.warehouse)), root_glob=text_literal(glob_of(home.warehouse))
    )
    for table, schema in schemas.items():
        types = duckdb_types(scratch, schema)
        yield templates["stored"].substitute(_stored(home.warehouse, table, types))


def _in_order(scratch: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[str]:
    """The texts, each after those it reads.

    Raises duckdb.CatalogException where no text is left that could be executed.
    """
    done: list[str] = []
    waiting = list(texts)
    while waiting:
        left: list[str] = []
        failure: duckdb.CatalogException | None = None
        for text in waiting:
            try:
                scratch.execute(text)
                done.append(text)
            except duckdb.CatalogException as error:
                left.append(text)
                failure = failure or error
        if failure is not None and len(left) == len(waiting):
            raise failure
        waiting = left
    return done


def _stored(root: Path, table: str, types: Mapping[str, str]) -> dict[str, str]:
    """What the template `stored` needs for one table."""
    folder = glob_of(root / table)
    patterns = (f"{folder}/{SCHEMA_FILE}", f"{folder}/**/*.parquet")
    return {
        "macro": f"stored_{table}",
        "pattern": f"[{', '.join(map(text_literal, patterns))}]",
        "columns": schema_literal(types),
        "comment": text_literal(f"Rows of all partitions of {table}, as their files hold them."),
    }
