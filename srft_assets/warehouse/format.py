"""Rows as a table for people, and as CSV and JSON for programs."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from srft_assets.warehouse.escaped import json_text
from srft_assets.warehouse.table import as_table
from srft_assets.warehouse.visible import visible

__all__ = ["as_csv", "as_json", "as_table"]


def as_csv(rows: pl.DataFrame, *, terminal: bool = False) -> str:
    """CSV with a header. Nested values are JSON text.

    The text is exact, so that hostile text stays hostile; on a `terminal` it is made visible.
    """
    flat = rows.select(_flat(rows, name, kind, terminal) for name, kind in rows.schema.items())
    return flat.write_csv().removesuffix("\n")


def _flat(rows: pl.DataFrame, name: str, kind: pl.DataType, terminal: bool) -> pl.Series:
    column = rows[name]
    if kind.is_nested() or kind == pl.Object:
        column = _mapped(column, json_text)
    elif kind == pl.Binary:
        column = _mapped(column, bytes.hex)
    if terminal and column.dtype == pl.String:
        column = _mapped(column, visible)
    return column.alias(visible(name) if terminal else name)


def _mapped(column: pl.Series, change: Callable[[Any], str]) -> pl.Series:
    values: Sequence[Any] = column.to_list()
    texts = [None if value is None else change(value) for value in values]
    return pl.Series(column.name, texts, dtype=pl.String)


def as_json(rows: pl.DataFrame) -> str:
    """A JSON array of objects, one a row, one a line. Safe on a terminal, and exact."""
    lines = [json_text(row) for row in rows.iter_rows(named=True)]
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"
