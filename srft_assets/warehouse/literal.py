"""Values as SQL literals, for statements that take no parameters (DDL)."""

import re
from collections.abc import Mapping
from pathlib import Path

GLOB = re.compile(r"[*?\[]")


def text_literal(text: str) -> str:
    """A SQL string. Raises ValueError for text that SQL cannot hold (a NUL character)."""
    if "\0" in text:
        raise ValueError("a NUL character cannot be part of SQL")
    return "'" + text.replace("'", "''") + "'"


def name_literal(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


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
