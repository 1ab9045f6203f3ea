"""Write `docs/schema.md` anew, from the comments in the SQL: `python -m tools.schema_doc`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import SOURCES, create_views, write_schema_files
from srft_assets.warehouse.sql import SqlFile, connect, sql_files, sql_folder

HEAD = """\
# Schema of the warehouse

Written from the comments in `sql/` by `tools/schema_doc.py`; a test fails where
it is out of date. Every name below is a view over Parquet files: `srft sql NAME`,
`srft sql "SELECT …"`, or `duckdb warehouse.duckdb` at any time, also during a run. Views see the
partitions of the moment; nothing here blocks a run. DuckDB reads a file in two goes: where a
question meets the very moment in which a partition is replaced, it can fail with `Invalid data`
(`srft sql` then asks again by itself). Keep tables of your own in another file.
`srft sql` takes at most 1.5 GiB of memory, and then up to 20 GiB of disk in the temporary folder
(`TMPDIR`).
"""


def leading_comment(text: str) -> str:
    """The comment lines that a file begins with, less their dashes."""
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return "\n".join(lines)


def schema_markdown() -> str:
    """The document: tables, statistics, macros and queries."""
    files = sql_files(*SOURCES)
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        home = Home(Path(folder))
        write_schema_files(home, SCHEMAS, anew=True)
        create_views(connection, home, files, SCHEMAS)
        lines = [HEAD]
        for title, kind in (("Tables", "tables"), ("Statistics", "views")):
            lines.append(f"## {title}\n")
            for file in files:
                if file.kind == kind:
                    lines += _view(connection, file)
        lines += ["## Macros\n", *_macros(connection)]
    lines += ["## Named queries\n", *map(_query, sql_files("queries"))]
    return "\n".join(lines).rstrip() + "\n"


def _view(connection: duckdb.DuckDBPyConnection, file: SqlFile) -> Iterator[str]:
    comment = connection.execute(
        "SELECT comment FROM duckdb_views() WHERE view_name = ?", [file.name]
    ).fetchall()
    yield f"### `{file.name}`\n"
    yield f"{comment[0][0]}\n"
    yield "| column | type | meaning |\n| --- | --- | --- |"
    columns = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE table_name = ? ORDER BY column_index",
        [file.name],
    ).fetchall()
    for name, kind, meaning in columns:
        yield f"| `{name}` | {_type(kind)} | {_cell(meaning or '')} |"
    yield ""


def _macros(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    found = connection.execute(
        "SELECT function_name, parameters, comment FROM duckdb_functions() "
        "WHERE NOT internal ORDER BY function_name"
    ).fetchall()
    for name, parameters, comment in found:
        yield f"- `{name}({', '.join(parameters)})`: {comment}"
    yield ""


def _query(file: SqlFile) -> str:
    return f"- `{file.name}`: {' '.join(leading_comment(file.text).split())}"


def _type(kind: str) -> str:
    """Nested types in short: their fields are in the meaning."""
    shown = kind.replace('"', "")
    return f"`{shown}`" if len(shown) <= 40 else f"`{shown[:37]}…`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    (sql_folder().parent / "docs" / "schema.md").write_text(schema_markdown())
