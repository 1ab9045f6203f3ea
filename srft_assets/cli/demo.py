"""`srft demo`: the whole chain on generated tasks."""

import time
from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.compare import compared, print_pairs
from srft_assets.cli.console import say
from srft_assets.cli.platform import Platform, Unsafe, applier, end, print_outcome
from srft_assets.home import Home, current_home

BATCH = "lab-demo"
BASELINE = "rft"
"""The arm that the others are compared with."""


def demo(
    runs: Annotated[
        int | None, typer.Option(help="Teacher runs, one a generated task; 160.", min=1)
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of training.", min=1, max=10)] = 1,
    unsafe: Unsafe = False,
) -> None:
    """Make everything on generated tasks: runs, outcomes, verdicts, tokens, models, scores."""
    from srft_assets.lab.regime import REGIME
    from srft_assets.trajectories.batches import write_lab_batch

    console = Console()
    home = current_home()
    start = time.monotonic()
    write_lab_batch(home, BATCH, REGIME.batch_settings(runs))
    with applier(console) as platform:
        wanted = _scores(platform)
        outcome = platform.apply(wanted, [BATCH], [str(seed) for seed in range(seeds)])
    print_outcome(console, outcome)
    end(outcome)
    _print_scores(console, home, BASELINE if f"eval_scores/{BASELINE}" in wanted else None)
    say(console, f"{time.monotonic() - start:.0f} s. All state is in {home.root}")
    say(console, "UI:  [bold]make dev[/], then http://localhost:3000")
    say(console, 'SQL: [bold].venv/bin/srft sql "FROM label_shares"[/], or .venv/bin/srft stats')


def _scores(platform: Platform) -> list[str]:
    return [
        key
        for key, stage in platform.stages.items()
        if key.startswith(("eval_scores/", "comparison")) and not stage.on_request
    ]


def _print_scores(console: Console, home: Home, against: str | None) -> None:
    from srft_assets.warehouse.format import as_table
    from srft_assets.warehouse.query import run_query

    console.print(as_table(run_query(home, "demo_scores")))
    console.print()
    print_pairs(console, compared(home, [], against, []))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)
