"""`srft delete`: a batch or a checkpoint, after saying what goes with it and what stays."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import put, quoted, say
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home

if TYPE_CHECKING:
    from srft_assets.platform.removal import Removal

delete = typer.Typer(
    help="Delete a batch, a checkpoint or an export; says first what goes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
rename = typer.Typer(help="Rename a batch.", no_args_is_help=True, rich_markup_mode=None)
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@delete.command("batch")
def delete_batch(
    name: Annotated[str, typer.Argument(help="The batch.")],
    yes: Yes = False,
) -> None:
    """Delete a batch: its runs, outcomes, verdicts and masks. What was paid for stays."""
    from srft_assets.platform.removal import batch_removal

    home = current_home()
    _delete(home, f"batch {name}", batch_removal(home, name), yes)


@delete.command("checkpoint")
def delete_checkpoint(
    name: Annotated[str, typer.Argument(help="ARM/SEED, such as srft/0; with --keep-best ARM.")],
    keep_best: Annotated[
        int | None,
        typer.Option(
            help="Delete weights alone, of all seeds of ARM but so many with the best scores, and "
            "what earlier trainings left. Scores stay.",
            min=1,
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Delete a checkpoint: its weights, the state of its training, its scores."""
    from srft_assets.platform.removal import checkpoint_removal, weights_removal

    home = current_home()
    if keep_best is not None:
        title = f"weights of {name} but the best {keep_best}"
        _delete(home, title, weights_removal(home, name, keep_best), yes)
    else:
        _delete(home, f"checkpoint {name}", checkpoint_removal(home, name), yes)


@delete.command("export")
def delete_export(
    name: Annotated[str, typer.Argument(help="Name of its folder, or the folder.")],
    yes: Yes = False,
) -> None:
    """Delete an export that srft export wrote; a folder that holds other files stays."""
    from srft_assets.exports.known import export_folder
    from srft_assets.platform.removal import Removal

    home = current_home()
    stays = ("masked_tokens, from which it can be written again",)
    _delete(home, f"export {name}", Removal((), (export_folder(home, name),), stays=stays), yes)


@rename.command("batch")
def rename_a_batch(
    old: Annotated[str, typer.Argument(help="The batch.")],
    new: Annotated[str, typer.Argument(help="Its new name; it must be free.")],
    yes: Yes = False,
) -> None:
    """Rename a batch. Nothing becomes stale, nothing is paid for again.

    Its partitions and paid answers bear the new name, and so does what was made from them. Gold
    labels are of runs, and stay. The old partition key stays in Dagster, without content. Where
    settings choose batches by patterns that fit one of the names only, or a training of the batch
    is unfinished, it says so and asks first.
    """
    from srft_assets.cli.platform import refresh_catalogue
    from srft_assets.platform.removal import check_renaming, lost_by_renaming, rename_batch
    from srft_assets.platform.stages import load_stages

    home = current_home()
    check_renaming(home, old, new)
    changes = lost_by_renaming(home, load_stages(), old, new)
    put(changes=changes)
    for one in changes:
        say(Console(), f"changes  {quoted(one)}")
    if changes:
        _confirm(f"Rename {old} to {new}?", yes, f"nothing was renamed; --yes renames {old}")
    rename_batch(home, old, new)
    put(old=old, new=new)
    refresh_catalogue(home)
    say(Console(), f"renamed batch {quoted(old)} to {quoted(new)}")


def _delete(home: Home, title: str, what: "Removal", yes: bool) -> None:
    from srft_assets.cli.platform import refresh_catalogue
    from srft_assets.platform.removal import remove

    console = Console()
    goes = [f"{asset} {partition}" for asset, partition in what.partitions]
    put(goes=[*goes, *map(str, what.folders)], stays=what.stays)
    for asset, partition in what.partitions:
        say(console, f"goes   {quoted(f'{asset} {partition}')}")
    for folder in what.folders:
        say(console, f"goes   {quoted(str(folder))}")
    for one in what.stays:
        say(console, f"stays  {quoted(one)}")
    _confirm(f"Delete {title}?", yes, f"nothing was deleted; --yes deletes {title}")
    remove(home, what)
    refresh_catalogue(home)
    say(console, f"deleted {quoted(title)}")


def _confirm(question: str, yes: bool, advice: str) -> None:
    """Ask, unless it is answered. Raises UsageError where nobody can answer."""
    if not yes:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(advice)
        typer.confirm(question, abort=True)
