"""DuckDB connections with bounds: memory, and disk where that is not enough."""

import os
import tempfile
import uuid
from pathlib import Path

import duckdb

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
