"""`srft apply`: make exactly what is out of sync."""

import typer
from rich.console import Console

from srft_assets.cli.platform import (
    Unsafe,
    applier,
    chosen_batches,
    chosen_seeds,
    end,
    print_outcome,
)
from srft_assets.cli.selection import Arms, Assets, Batches, Critics, Seeds, wanted_assets
from srft_assets.errors import SrftError
from srft_assets.home import current_home


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
        wanted = wanted_assets(platform.stages, assets, critic, arm)
        outcome = platform.apply(wanted, batches, seeds)
    print_outcome(console, outcome)
    end(outcome)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(apply)
