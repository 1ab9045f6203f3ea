"""`srft seeds`: with which seeds every arm is trained and evaluated."""

from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import put, say
from srft_assets.home import current_home

seeds = typer.Typer(help="Seeds that every arm is trained with.", no_args_is_help=True)


@seeds.command("add")
def add(
    count: Annotated[int, typer.Argument(help="How many more.", min=1, max=100)] = 1,
) -> None:
    """Ask for further seeds: srft apply and the UI then train every arm with them, too."""
    from srft_assets.seeds import asked_seeds, more_seeds

    added = more_seeds(current_home(), count)
    put(seeds=asked_seeds(current_home()), new=added)
    told = f"seeds {', '.join(asked_seeds(current_home()))}; new: {', '.join(added)}"
    say(Console(), f"{told}. srft plan says what that takes")


@seeds.command("list")
def list_seeds() -> None:
    """Show the seeds there are."""
    from srft_assets.seeds import asked_seeds

    put(seeds=asked_seeds(current_home()))
    say(Console(), f"seeds {', '.join(asked_seeds(current_home()))}")
