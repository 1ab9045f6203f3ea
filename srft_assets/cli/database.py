"""`srft database`: moves what processes share from a file to a server of many machines."""

from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import put, quoted, say
from srft_assets.home import current_home

database = typer.Typer(no_args_is_help=True, help="Move the database of the platform.")


@database.command()
def copy(
    url: Annotated[str, typer.Argument(help="SQLAlchemy URL of the database to fill.")],
) -> None:
    """Copy answers, gold labels, batches and seeds to another database; what is there stays.

    End all that writes first. Dagster's history is not copied: what is in sync stays in sync.
    """
    from srft_assets.database import copy_database

    copied = copy_database(current_home(), url)
    put(copied=copied)
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in copied.items())
    console = Console()
    say(console, f"copied {quoted(told)}")
    say(console, "State it as SRFT_DATABASE, or as `database` of srft.yaml, on every machine.")
