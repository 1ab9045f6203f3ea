"""`srft compare`: arms beside one another, and what their scores can say."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from srft_assets.cli.console import show
from srft_assets.cli.platform import refresh_catalogue
from srft_assets.cli.sql import Format
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home
from srft_assets.tables import figures, table, words

if TYPE_CHECKING:
    from srft_assets.compare import Comparison
    from srft_assets.compare.stage import TextTable


def compare(
    arms: Annotated[
        list[str] | None, typer.Argument(help="Arms, in this order; all, best first, if none.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Compare each with this arm; else every two.")
    ] = None,
    seeds: Annotated[
        list[str] | None, typer.Option("--seeds", help="Only these, e.g. 0,1,2; all if none.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Compare arms on the tasks they share: rates, paired differences, what can be shown."""
    home = current_home()
    refresh_catalogue(home)
    found = compared(home, arms or [], against, _seeds(seeds or []))
    if format_ is Format.TABLE:
        console = Console()
        print_arms(console, found)
        console.print()
        print_pairs(console, found)
    else:
        typer.echo(_json(found) if format_ is Format.JSON else _csv(found))


def compared(home: Home, arms: list[str], against: str | None, seeds: list[int]) -> "Comparison":
    """The comparison of the scores there are. Raises UsageError for an unknown arm or seed."""
    from srft_assets.compare import compare_arms
    from srft_assets.compare.arms import with_settings
    from srft_assets.warehouse.partitions import Warehouse
    from srft_assets.warehouse.query import run_query

    scores = run_query(home, "scored_attempts")
    if scores["resolved"].null_count() == scores.height:
        raise UsageError("no arm has scores yet: srft apply --arm NAME, or srft demo")
    told = with_settings(scores, Warehouse(home.warehouse))
    return compare_arms(told, arms, against=against, seeds=seeds)


def _seeds(stated: list[str]) -> list[int]:
    words = [word for text in stated for word in text.replace(",", " ").split()]
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise UsageError(f"no seed {wrong[0]!r}: seeds are whole numbers, e.g. --seeds 0,1,2")
    return [int(word) for word in words]


def print_arms(console: Console, found: "Comparison") -> None:
    """The table of rates."""
    from srft_assets.compare.stage import arm_table

    _print_table(console, arm_table(found.arms))


def print_pairs(console: Console, found: "Comparison") -> None:
    """The table of differences, what to know before reading it, and what it says."""
    from srft_assets.compare.stage import legend_of, pair_table, verdict_of

    if found.pairs.height:
        _print_table(console, pair_table(found.pairs))
        show(console, Text(legend_of(found.pairs), style="dim"))
    for note in found.notes:
        show(console, Text(note))
    show(console, Text(verdict_of(found.pairs), style="bold"))


def _print_table(console: Console, cells: "TextTable") -> None:
    first, *others = cells.heads
    heads = [words(first), *figures(*others)]
    heads[-1].no_wrap = others[-1] != "marks"
    rows = (
        [Text(cell, style="bold" if strong else "") for cell in row]
        for row, strong in zip(cells.rows, cells.strong, strict=True)
    )
    show(console, table(heads, rows))


def _json(found: "Comparison") -> str:
    import orjson

    from srft_assets.compare.stage import verdict_of

    told = {
        "arms": found.arms.to_dicts(),
        "pairs": found.pairs.to_dicts(),
        "notes": found.notes,
        "verdict": verdict_of(found.pairs),
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()


def _csv(found: "Comparison") -> str:
    """Both tables, an empty line between them."""
    from srft_assets.warehouse.output import as_csv

    terminal = sys.stdout.isatty()
    return "\n\n".join(as_csv(table, terminal=terminal) for table in (found.arms, found.pairs))
