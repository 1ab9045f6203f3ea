"""`srft plan` and `srft apply`: what is out of sync, and making exactly that."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import Unsafe, applier, chosen_batches, chosen_seeds
from srft_assets.errors import SrftError
from srft_assets.home import current_home

if TYPE_CHECKING:
    from srft_assets.components.launch import Outcome
    from srft_assets.warehouse.plan import Item

Assets = Annotated[
    list[str] | None, typer.Argument(help="Assets, e.g. masked_tokens/srft; all if none.")
]
Batches = Annotated[list[str] | None, typer.Option("--batch", help="Only these batches.")]
Seeds = Annotated[list[str] | None, typer.Option("--seed", help="Only these seeds; 0 if none.")]

STYLE = {"in sync": "green", "missing": "yellow", "stale": "magenta", "waiting": "dim"}


def plan(
    assets: Assets = None,
    batch: Batches = None,
    seed: Seeds = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what is in sync too.")] = False,
) -> None:
    """Show what is missing or stale, and why."""
    console = Console()
    home = current_home()
    with console.status("loading the platform"):
        from srft_assets.components.stages import stages_in
        from srft_assets.definitions import defs
        from srft_assets.warehouse.graph import with_upstream
        from srft_assets.warehouse.plan import make_plan
        from srft_assets.warehouse.store import Warehouse

        stages = stages_in(defs())
    names = {"batch": chosen_batches(home, batch), "seed": chosen_seeds(seed)}
    wanted = with_upstream(stages, assets or list(stages))
    items = make_plan(wanted, home, Warehouse(home.warehouse), lambda kind: names[kind])
    console.print(_plan_table([i for i in items if everything or i.state != "in sync"]))
    kept = sum(1 for item in items if item.state == "in sync")
    say(console, f"{kept} of {len(items)} partitions in sync.")


def apply(
    assets: Assets = None, batch: Batches = None, seed: Seeds = None, unsafe: Unsafe = False
) -> None:
    """Make what is missing or stale, upstream first, and nothing else."""
    console = Console()
    home = current_home()
    batches, seeds = chosen_batches(home, batch), chosen_seeds(seed)
    if not batches and not assets:
        raise SrftError("there are no batches yet: srft ingest PATH, or srft demo")
    with applier(console) as platform:
        outcome = platform.apply(assets or [], batches, seeds)
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


def _plan_table(items: list["Item"]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("asset", "partition", "state", "why"):
        table.add_column(column)
    for item in items:
        state = str(item.state)
        why = quoted("; ".join(item.why))
        table.add_row(item.asset, item.partition, f"[{STYLE[state]}]{state}[/]", why)
    return table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(plan)
    app.command()(apply)
