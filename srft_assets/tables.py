"""Tables for a terminal: one look for every command, and no cell that a terminal obeys."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from srft_assets.text import visible

GAP = 2
"""Columns between two columns."""


def words(name: str) -> Column:
    """A column of text, which folds where the terminal is narrow."""
    return Column(Text(visible(name)), overflow="fold")


def whole(name: str) -> Column:
    """A column of names that are never folded."""
    return Column(Text(visible(name)), no_wrap=True)


def figures(*names: str) -> list[Column]:
    """Columns of numbers: at the right, and never folded."""
    return [Column(Text(visible(name)), justify="right", no_wrap=True) for name in names]


def table(
    columns: Iterable[Column], rows: Iterable[Iterable[RenderableType]], title: str = ""
) -> Table:
    """A table without rules.

    Hostile text in a cell is made visible, and nothing in it is read as markup; what is no string
    is shown as rich shows it. Where no column has a name there is no line of heads.
    """
    heads = list(columns)
    made = Table(
        *heads,
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="bold underline",
        show_header=any(str(head.header) for head in heads),
        box=None,
        pad_edge=False,
        padding=(0, GAP, 0, 0),
    )
    for row in rows:
        made.add_row(*(Text(visible(cell)) if isinstance(cell, str) else cell for cell in row))
    return made
