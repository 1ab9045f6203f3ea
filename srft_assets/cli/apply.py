"""`srft apply`: make exactly what is out of sync."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console

from srft_assets.cli.console import say
from srft_assets.cli.platform import Unsafe, applier, chosen_batches, chosen_seeds
from srft_assets.cli.selection import Arms, Assets, Batches, Critics, Seeds, wanted_assets
from srft_assets.errors import SrftError
from srft_assets.home import current_home

if TYPE_CHECKING:
    from srft_assets.components.launch import Outcome


def apply(
    assets: Assets = None,
    batch: Batches = None,
    seed: Seeds = None,
    critic: Critics = None,
    arm: Arms = None,
    unsafe: Unsafe = False,
) -> None:
    """Make what is missing or stale, upstream first, and nothing else.

    Where nothing is named, a critic that asks a model is left alone unless an arm needs it.
    """
    console = Console()
    home = current_home()
    batches, seeds = chosen_batches(home, batch), chosen_seeds(seed)
    if not batches and not assets:
        raise SrftError("there are no batches yet: srft ingest PATH, or srft demo")
    with applier(console) as platform:
        from srft_assets.components.stages import stages_in

        wanted = wanted_assets(stages_in(platform.defs), assets, critic, arm)
        outcome = platform.apply(wanted, batches, seeds)
    print_outcome(console, outcome)


def print_outcome(console: Console, outcome: "Outcome") -> None:
    """One line an asset that was made, and a count of what was in sync."""
    for asset, names in outcome.made.items():
        if names:
            say(console, f"made {asset}: {', '.join(names)}")
    kept = sum(len(names) for names in outcome.kept.values())
    made = sum(len(names) for names in outcome.made.values())
    say(
        console,
        f"{made} {'partition' if made == 1 else 'partitions'} made, {kept} in sync."
        if made
        else f"Nothing to make: all {kept} partitions are in sync.",
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(apply)
