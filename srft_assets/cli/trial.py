"""`srft critic try`: a critic on a few runs, before all are paid for."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import say
from srft_assets.cli.critic import label_of, print_steps
from srft_assets.cli.platform import Batches, chosen_batches, needed_batches
from srft_assets.cli.progress import Quiet, progress
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home

if TYPE_CHECKING:
    import polars as pl

    from srft_assets.critic.trial import Tried
    from srft_assets.warehouse.stage import Stage


def try_critic(
    name: Annotated[str, typer.Argument(help="A critic that asks a model.")],
    runs: Annotated[int, typer.Option(help="Most runs to label.", min=1)] = 20,
    batch: Batches = None,
    gold: Annotated[bool, typer.Option("--gold", help="Only runs with gold labels.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed chooses other runs.")] = 0,
    limit: Annotated[int, typer.Option(help="Most changed steps to show.", min=0)] = 10,
    quiet: Quiet = False,
) -> None:
    """Label a few runs now: what changes, how good it is, and what all would cost.

    No partition is made and nothing becomes stale. The answers stay in the ledger, so that srft
    apply does not pay for them again.
    """
    from srft_assets.critic.trial import sample, try_on
    from srft_assets.platform.stages import load_stages

    console, home = Console(), current_home()
    stages = load_stages()
    stage = stages.get(f"step_verdicts/{name}")
    if stage is None or stage.trial is None:
        known = sorted(key.rpartition("/")[2] for key, one in stages.items() if one.trial)
        raise UsageError(f"no critic {name!r} that asks a model; there are: {', '.join(known)}")
    chosen, of = sample(home, stage, needed_batches(home, batch), runs, seed, gold)
    with console.status("loading Dagster"):
        from srft_assets.components.platform import critic_server
    with progress(console) as told_to, critic_server() as server:
        tried = try_on(home, stage, chosen, of, told_to, server.open)
    _print(console, name, tried, limit)
    _print_cost(console, home, stages, stage)


def _print(console: Console, name: str, tried: "Tried", limit: int) -> None:
    import polars as pl

    say(
        console,
        f"{name} on {tried.runs} of {tried.of} runs that it judges: {tried.verdicts.height} steps; "
        f"{tried.paid} calls paid, {tried.answered} answered by the ledger",
    )
    _print_counts(console, tried.verdicts)
    changed = tried.before.filter(pl.col("label_a") != pl.col("label_b"))
    if tried.before.height:
        say(console, f"{changed.height} of {tried.before.height} steps changed label:")
        pairs = changed.group_by("label_a", "label_b").len().sort("len", descending=True)
        for old, new, count in pairs.rows():
            say(console, f"  {count:>5}  {label_of(old)} → {label_of(new)}")
        print_steps(console, changed.head(limit))
    else:
        say(console, "these runs have no verdicts of it to compare with")
    for row in tried.scores.iter_rows(named=True):
        if (row["question"], row["target"]) == ("mask", "mistake") and row["f1"] is not None:
            say(
                console,
                f"gold set {row['set']}: F1 of mistakes {row['f1']:.3f} ({row['f1_low']:.3f} to "
                f"{row['f1_high']:.3f}) over {row['steps']} steps of {row['runs']} runs",
            )


def _print_counts(console: Console, verdicts: "pl.DataFrame") -> None:
    counts = verdicts.group_by("label").len().sort("len", descending=True)
    for label, count in counts.rows():
        say(console, f"  {count:>5}  {label_of(label)}")


def _print_cost(console: Console, home: Home, stages: "dict[str, Stage]", stage: "Stage") -> None:
    from srft_assets.cli.plan import calls_told, total
    from srft_assets.platform.planning import Wish
    from srft_assets.warehouse.plan import Costs, Snapshot, make_plan
    from srft_assets.warehouse.stage import with_upstream

    wish = Wish([stage.key], chosen_batches(home, None), [])
    with console.status("counting the whole"):
        chosen = with_upstream(stages, [stage.key])
        snapshot = Snapshot(home.warehouse)
        items = make_plan(chosen, home, snapshot, wish.names, costs=Costs.EXACT)
    cost = total([item for item in items if item.asset == stage.key])
    say(console, f"The whole: {calls_told(cost)}" if cost.calls else "The whole is made already.")
    say(console, f"Nothing was made or became stale: srft apply {stage.key}")
