"""Rows as people read them, a table or one record after another, and as CSV and JSON."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
import polars as pl
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from srft_assets.text import json_escaped, visible

CELL_CHARS = 120
"""A longer cell is cut."""
TEXT_CHARS = 12
"""What a cell of text needs at least; where that is too much, records are shown."""
TABLE_ROWS = 200
RECORDS = 50
GAP = 2
FURTHER = "add LIMIT and OFFSET, or --format csv"
"""How to see rows that are left out, after a query."""


class Rows:
    """The first rows of a result, which fit the terminal that they are printed on.

    Long cells are cut, hostile text is made visible, and none is read as markup. What is left out
    is counted below; `more` says how to see it.
    """

    def __init__(self, rows: pl.DataFrame, title: str = "", more: str = FURTHER) -> None:
        self.rows = rows
        self.title = title
        self.more = more

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        if self.title:
            yield Text(visible(self.title), style="bold")
        table, least, whole = _table(self.rows, parted=False)
        if whole > options.max_width:
            table, least, _ = _table(self.rows, parted=True)
        fits = least <= options.max_width
        yield from [table] if fits else _records(self.rows)
        left = self.rows.height - (TABLE_ROWS if fits else RECORDS)
        if self.rows.is_empty():
            columns = "" if fits else f" of {', '.join(map(visible, self.rows.columns))}"
            yield Text(f"no rows{columns}", style="dim")
        elif left > 0:
            yield Text(f"{left:,} more rows: {self.more}", style="dim")


def _table(rows: pl.DataFrame, parted: bool) -> tuple[Table, int, int]:
    """The table, the width it needs at least, and the one in which no cell is folded.

    `parted`: names above numbers stand in several lines.
    """
    padding = (0, GAP, 0, 0)
    table = Table(box=None, pad_edge=False, padding=padding, header_style="bold underline")
    cells = [[_cell(value) for value in row] for row in rows.head(TABLE_ROWS).iter_rows()]
    least = whole = -GAP
    for place, (name, kind) in enumerate(rows.schema.items()):
        head = Text(visible(name))
        if parted and kind.is_numeric():
            head = Text(head.plain.replace("_", "_\n"))
        lines = (*head.split(), *(row[place] for row in cells))
        width = max((line.cell_len for line in lines), default=1)
        whole += width + GAP
        if kind.is_numeric():
            table.add_column(head, justify="right", no_wrap=True, min_width=width)
        else:
            width = min(TEXT_CHARS, width)
            table.add_column(head, overflow="fold", min_width=width)
        least += width + GAP
    for row in cells:
        table.add_row(*row)
    return table, least, whole


def _records(rows: pl.DataFrame) -> Iterator[RenderableType]:
    for number, row in enumerate(rows.head(RECORDS).iter_rows(), start=1):
        yield Text(f"{number}", style="bold underline")
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for name, value in zip(rows.columns, row, strict=True):
            grid.add_row(Text(visible(name)), _cell(value))
        yield grid


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
    if isinstance(value, float | Decimal):
        return _number(float(value)) if value % 1 else f"{int(value)}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | dict):
        return json_text(value)
    return str(value)


def _number(value: float) -> str:
    """Four places below 1, two above; an exponent only for numbers of uncommon size."""
    if 1e-4 <= abs(value) < 1e6:
        shown = f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"
        return shown.rstrip("0").rstrip(".")
    return f"{value:.3g}"


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


ORJSON_INTEGERS = 2**63


def json_text(value: Any) -> str:
    """JSON on one line."""
    text = orjson.dumps(value, default=_other, option=orjson.OPT_NON_STR_KEYS).decode()
    return json_escaped(text)


def _other(value: Any) -> Any:
    if isinstance(value, pl.Series):
        return value.to_list()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() and abs(value) < ORJSON_INTEGERS
        return int(value) if whole else float(value)
    return value.isoformat() if isinstance(value, date) else str(value)
