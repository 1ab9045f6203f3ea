"""`srft sql` and `srft stats`: questions to the warehouse."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from srft_assets.cli.platform import refresh_catalogue
from srft_assets.home import current_home
from srft_assets.text import visible_lines

if TYPE_CHECKING:
    import polars as pl

EXPLAINED = ["explain_key", "explain_value"]
"""What DuckDB answers to EXPLAIN: a drawing, which is no cell."""


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    query: Annotated[str, typer.Argument(help="A named query of sql/queries, or a SELECT.")],
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Ask the warehouse. Read-only: it cannot write, attach or read other files."""
    from srft_assets.warehouse.query import run_query

    home = current_home()
    refresh_catalogue(home)
    print_rows(run_query(home, query), format_)


def print_rows(rows: "pl.DataFrame", format_: Format) -> None:
    """Print a result as asked for."""
    from srft_assets.warehouse.output import Rows, as_csv, as_json

    if format_ is Format.TABLE and rows.columns == EXPLAINED:
        for plan in rows["explain_value"]:
            Console().print(Text(visible_lines(str(plan).rstrip())), soft_wrap=True)
    elif format_ is Format.TABLE:
        Console().print(Rows(rows))
    else:
        typer.echo(
            as_csv(rows, terminal=sys.stdout.isatty()) if format_ is Format.CSV else as_json(rows)
        )


def stats() -> None:
    """Show outcomes, label shares, tokens kept and scores."""
    from srft_assets.platform.stats import stats as render

    home = current_home()
    refresh_catalogue(home)
    Console().print(render(home))
