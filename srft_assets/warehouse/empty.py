"""Files without rows, so that every table exists before its asset was ever materialized."""

import io
from collections.abc import Mapping

import duckdb
import polars as pl

from srft_assets.home import Home
from srft_assets.warehouse.placing import place

SCHEMA_FILE = "_schema.parquet"
"""Name of the zero-row file in each table's folder; never a partition name."""


def write_schema_files(home: Home, schemas: Mapping[str, pl.Schema], *, anew: bool) -> None:
    """Put the files in place where they are absent, or everywhere if `anew`.

    They are `<warehouse>/<table>/_schema.parquet`.
    """
    for table, schema in schemas.items():
        target = home.warehouse / table / SCHEMA_FILE
        if anew or not target.exists():
            place(target, _without_rows(schema))


def _without_rows(schema: pl.Schema) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(schema=schema).write_parquet(buffer)
    return buffer.getvalue()


def duckdb_types(connection: duckdb.DuckDBPyConnection, schema: pl.Schema) -> dict[str, str]:
    """Column names and DuckDB types of a polars schema, in order."""
    table = pl.DataFrame(schema=schema).to_arrow()
    described = connection.from_arrow(table)
    return dict(zip(described.columns, map(str, described.types), strict=True))
