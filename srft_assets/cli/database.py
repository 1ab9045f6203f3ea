"""`srft backup` and `srft database`: copies of what processes share."""

import sqlite3
from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import put, quoted, say
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import current_home

database = typer.Typer(no_args_is_help=True, help="Move the database of the platform.")


@database.command()
def copy(
    url: Annotated[str, typer.Argument(help="SQLAlchemy URL of the database to fill.")],
) -> None:
    """Copy answers, gold labels, batches and seeds to another database; what is there stays.

    End all that writes first. Dagster's history is not copied: what is in sync stays in sync.
    """
    from srft_assets.platform.database_copy import copy_database

    copied = copy_database(current_home(), url)
    put(copied=copied)
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in copied.items())
    console = Console()
    say(console, f"copied {quoted(told)}")
    say(console, "State it as SRFT_DATABASE, or as `database` of srft.yaml, on every machine.")


def backup() -> None:
    """Copy the database (answers, gold labels, batches), also while others write to it."""
    from srft_assets.database.backup import back_up
    from srft_assets.database.store import database_file

    file = database_file(current_home())
    if file is None:
        raise UsageError("the database is PostgreSQL: copy it with pg_dump")
    if not file.exists():
        raise SrftError(f"{file} is not there yet: there is nothing to copy")
    try:
        copy = back_up(file)
    except sqlite3.Error as error:
        raise SrftError(f"{file} cannot be copied ({error}): srft doctor says more") from error
    say(Console(), f"copied to {quoted(str(copy))}; srft doctor --repair puts the last copy back")
