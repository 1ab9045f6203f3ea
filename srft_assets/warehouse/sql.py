"""SQL for DuckDB: the files of `sql/`, values as literals, and connections with bounds."""

import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from srft_assets.errors import SrftError
from srft_assets.warehouse.partitions import Warehouse

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One SQL file. `name` is that of the table, view, macro or query it holds."""

    kind: str
    name: str
    text: str


def sql_folder() -> Path:
    """`sql/` of the installed package, or of the checkout. Raises SrftError where neither is."""
    for folder in (PACKAGE / "sql", PACKAGE.parent / "sql"):
        if (folder / "tables").is_dir():
            return folder
    raise SrftError("the SQL files are missing: install the package again")


def sql_files(*kinds: str) -> list[SqlFile]:
    """The files of these folders of `sql/`, by folder, then by name."""
    return [
        SqlFile(kind, path.stem, path.read_text(encoding="utf-8"))
        for kind in kinds
        for path in sorted((sql_folder() / kind).glob("*.sql"))
    ]


GLOB = re.compile(r"[*?\[]")


def text_literal(text: str) -> str:
    """A SQL string. Raises ValueError for text that SQL cannot hold (a NUL character)."""
    if "\0" in text:
        raise ValueError("a NUL character cannot be part of SQL")
    return "'" + text.replace("'", "''") + "'"


def glob_of(folder: Path) -> str:
    """A pattern that matches exactly this folder: its own `*`, `?` and `[` stand for themselves."""
    return GLOB.sub(lambda found: f"[{found[0]}]", str(folder))


def schema_literal(types: Mapping[str, str]) -> str:
    """The `schema` argument of `read_parquet`: columns by name, absent ones are NULL.

    `types` are column names and DuckDB types.
    """
    columns = (
        f"{text_literal(name)}: {{name: {text_literal(name)}, type: {text_literal(kind)}, "
        "default_value: NULL}"
        for name, kind in types.items()
    )
    return f"MAP {{{', '.join(columns)}}}"


MEMORY = "1536MiB"
SPILL = "20GiB"
PROCESS = uuid.uuid4()
"""Connections of this process to one file must name the same folder."""
Config = dict[str, str | bool | int | float | list[str]]


def connect(
    path: str | Path = ":memory:", *, read_only: bool = False, config: Config | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection that takes at most `MEMORY`, and `SPILL` of disk in the temporary folder.

    `config` are further settings of DuckDB. Connections of one process to the same file share
    the bounds of the first. Raises duckdb.Error as `duckdb.connect`.
    """
    return duckdb.connect(
        path,
        read_only=read_only,
        config={
            **(config or {}),
            "memory_limit": MEMORY,
            "max_temp_directory_size": SPILL,
            "temp_directory": _spill_folder(str(path)),
        },
    )


def _spill_folder(path: str) -> str:
    """`srft-spill-…` in the temporary folder (TMPDIR), which DuckDB makes when it first spills and
    removes when it closes. No two databases may share one: their files have the same names.
    """
    database = uuid.uuid4().hex if path == ":memory:" else f"{os.getpid()} {path}"
    name = uuid.uuid5(PROCESS, database).hex
    return str(Path(tempfile.gettempdir(), f"srft-spill-{name}"))


def first_line(error: BaseException) -> str:
    """DuckDB's message up to its blank line, on one line, without the kind of error."""
    message = str(error).split("\n\n")[0].split("\nLINE ")[0]
    head, colon, rest = " ".join(message.split()).partition(": ")
    return rest if colon and head.endswith("Error") else f"{head}{colon}{rest}"


def counted_once(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, in their order, without those of runs that an earlier `batch` holds too."""
    (rule,) = (file.text for file in sql_files("macros") if file.name == "counts_once")
    given = rows.select("trajectory_id", "batch").with_row_index("place")
    with connect() as connection:
        connection.execute(rule)
        connection.register("given", given.to_arrow())
        counted = connection.sql(
            "SELECT place FROM given QUALIFY counts_once(trajectory_id, batch) ORDER BY place"
        ).pl()
    return rows[counted["place"]]


def holders(
    warehouse: Warehouse, batches: Iterable[str], asset: str = "trajectories"
) -> dict[str, str]:
    """Trajectory id → the one of the partitions in which the run counts."""
    none = pl.DataFrame(schema={"trajectory_id": pl.String, "batch": pl.String})
    held = [
        warehouse.read(asset, name, ["trajectory_id"]).with_columns(batch=pl.lit(name))
        for name in sorted(set(batches))
    ]
    return dict(counted_once(pl.concat([none, *held])).iter_rows())
