"""Rows as a table for people, and as CSV and JSON for programs."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from srft_assets.warehouse.visible import json_escaped, visible

CELL_CHARS = 120
TABLE_ROWS = 200


def as_table(rows: pl.DataFrame, title: str = "") -> RenderableType:
    """A table of the first `TABLE_ROWS` rows; long cells are cut, hostile text is made visible.

    No cell is read as markup. What is left out is counted below the table.
    """
    heading = Text(visible(title)) if title else None
    table = Table(title=heading, title_justify="left", title_style="bold")
    for name, kind in rows.schema.items():
        table.add_column(
            Text(visible(name)), justify="right" if kind.is_numeric() else "left", overflow="fold"
        )
    for row in rows.head(TABLE_ROWS).iter_rows():
        table.add_row(*(_cell(value) for value in row))
    left = rows.height - TABLE_ROWS
    if left > 0:
        more = f"{left:,} more rows: add LIMIT and OFFSET, or --format csv"
        return Group(table, Text(more, style="dim"))
    return Group(table, Text("no rows", style="dim")) if rows.is_empty() else table


def _cell(value: Any) -> Text:
    if value is None:
        return Text("·", style="dim")
    text = visible(_plain(value))
    return Text(text if len(text) <= CELL_CHARS else f"{text[: CELL_CHARS - 1]}…")


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value[: CELL_CHARS + 1]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | dict):
        return _json(value)
    return str(value)


def _number(value: float) -> str:
    """Four significant digits, without an exponent where the number is of a common size."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        shown = f"{value:.4f}" if abs(value) < 1 else f"{value:,.2f}"
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    return f"{value:.3g}"


def as_csv(rows: pl.DataFrame, *, terminal: bool = False) -> str:
    """CSV with a header. Nested values are JSON text.

    The text is exact, so that hostile text stays hostile; on a `terminal` it is made visible.
    """
    flat = rows.select(_flat(rows, name, kind, terminal) for name, kind in rows.schema.items())
    return flat.write_csv().removesuffix("\n")


def _flat(rows: pl.DataFrame, name: str, kind: pl.DataType, terminal: bool) -> pl.Series:
    column = rows[name]
    if kind.is_nested() or kind == pl.Binary or kind == pl.Object:
        column = _mapped(column, _json)
    if terminal and column.dtype == pl.String:
        column = _mapped(column, visible)
    return column.alias(visible(name) if terminal else name)


def _mapped(column: pl.Series, change: Any) -> pl.Series:
    values: Sequence[Any] = column.to_list()
    texts = [None if value is None else change(value) for value in values]
    return pl.Series(column.name, texts, dtype=pl.String)


def as_json(rows: pl.DataFrame) -> str:
    """A JSON array of objects, one a row, one a line. Safe on a terminal, and exact."""
    lines = [_json(row) for row in rows.iter_rows(named=True)]
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def _json(value: Any) -> str:
    text = orjson.dumps(value, default=_other, option=orjson.OPT_NON_STR_KEYS).decode()
    return json_escaped(text)


def _other(value: Any) -> Any:
    if isinstance(value, pl.Series):
        return value.to_list()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() and abs(value) < 2**63
        return int(value) if whole else float(value)
    return value.isoformat() if isinstance(value, date) else str(value)
