"""Zero-row Parquet files, so that every table exists before its asset was ever materialized."""

import io
from collections.abc import Mapping
from pathlib import Path

import duckdb
import polars as pl

from srft_assets.warehouse.placing import place

SCHEMA_FILE = "_schema.parquet"
"""Name of the zero-row file in each table's folder; never a partition name."""


def write_schema_files(root: Path, schemas: Mapping[str, pl.Schema], *, anew: bool) -> None:
    """Put `<root>/<table>/_schema.parquet` in place where it is absent, or everywhere if `anew`."""
    for table, schema in schemas.items():
        target = root / table / SCHEMA_FILE
        if target.exists() and not anew:
            continue
        buffer = io.BytesIO()
        pl.DataFrame(schema=schema).write_parquet(buffer)
        place(target, buffer.getvalue())


def duckdb_types(connection: duckdb.DuckDBPyConnection, schema: pl.Schema) -> dict[str, str]:
    """Column names and DuckDB types of a polars schema, in order."""
    table = pl.DataFrame(schema=schema).to_arrow()
    described = connection.from_arrow(table)
    return dict(zip(described.columns, map(str, described.types), strict=True))
