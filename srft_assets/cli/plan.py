"""`srft plan` tells what is out of sync and why, and what it takes; `srft apply` makes it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import (
    Arms,
    Assets,
    Batches,
    Critics,
    Engine,
    Jobs,
    Seeds,
    Unsafe,
    applier,
    chosen_batches,
    chosen_seeds,
    end,
    print_outcome,
    say_notices,
    wanted_assets,
)
from srft_assets.cli.progress import Quiet
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home, current_home
from srft_assets.tables import table, whole, words
from srft_assets.text import some

if TYPE_CHECKING:
    from srft_assets.platform.planning import Notice
    from srft_assets.warehouse.cost import Cost
    from srft_assets.warehouse.plan import Item

STYLE = {
    "in sync": "green",
    "missing": "yellow",
    "stale": "magenta",
    "waiting": "dim",
    "orphaned": "red",
}
REASONS_SHOWN = 4
NO_BATCHES = "there are no batches yet: srft ingest PATH, or srft demo"


class NamedOrNot(TyperCommand):
    """A command whose `--recipe` may stand without a name, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer, after a `--recipe` without a name got an empty one."""
        behind = [*args[1:], "-"]
        bare = [a == "--recipe" and b.startswith("-") for a, b in zip(args, behind, strict=False)]
        filled = [f"{a}=" if is_bare else a for a, is_bare in zip(args, bare, strict=True)]
        return super().parse_args(ctx, filled)


def plan(
    assets: Assets = None,
    batch: Batches = None,
    seed: Seeds = None,
    critic: Critics = None,
    arm: Arms = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show what is in sync, and what must be named, too.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count calls and tokens; opens every run to label.")
    ] = False,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="[NAME]",
            help="What all of it takes from its beginning, also what is made: of the project, or "
            "of a recipe that is shipped.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every partition as JSON.")] = False,
) -> None:
    """Show what is missing or stale and why, and the critic calls and tokens it takes.

    Where nothing is named, what srft apply makes only when it is named counts where it exists.
    """
    console = Console()
    home = current_home()
    names = {"batch": chosen_batches(home, batch), "seed": chosen_seeds(home, seed)}
    if recipe is not None:
        if everything or exact:
            option = "--all" if everything else "--exact"
            raise UsageError(f"--recipe estimates all that it takes: leave {option} out")
        _whole(console, home, recipe, names, (assets, critic, arm), as_json)
        return
    with console.status("loading the platform"):
        from srft_assets.cli.costs import cost_notes, cost_table
        from srft_assets.platform.planning import cost_by_stage, notices
        from srft_assets.platform.stages import load_stages
        from srft_assets.seeds import known_seeds
        from srft_assets.warehouse.cost import Cost
        from srft_assets.warehouse.plan import Costs, Snapshot, make_plan, orphans
        from srft_assets.warehouse.stage import unasked, with_upstream

        stages = load_stages()
    wanted = wanted_assets(stages, assets, critic, arm)
    chosen = with_upstream(stages, wanted or list(stages))
    warehouse = Snapshot(home.warehouse)
    with console.status("looking at every partition"):
        costs = Costs.EXACT if exact else Costs.ESTIMATED
        items = make_plan(chosen, home, warehouse, lambda kind: names[kind], costs=costs)
        if not wanted:
            seeds = known_seeds(home, stages, warehouse)
            known = {"batch": chosen_batches(home, None), "seed": seeds}
            items += orphans(stages, warehouse, lambda kind: known[kind])
    to_name = [] if wanted else _out_of_sync(items, stages.keys() - unasked(stages).keys())
    if not everything:
        there = {key: warehouse.partitions(key) for key in to_name}
        items = [i for i in items if i.asset not in there or i.partition in there[i.asset]]
    in_use = {item.asset for item in items}
    looked_at = [stage for key, stage in chosen.items() if key in in_use]
    told = notices(looked_at, home, warehouse, lambda kind: names[kind])
    if as_json:
        typer.echo(_json(items, told))
        return
    shown = [item for item in items if everything or item.state != "in sync"]
    if shown:
        console.print(_table(shown))
    if len(stages_told := cost_by_stage(items, apart=False)) > 1:
        console.print(cost_table(stages_told, total(items)))
    for line in cost_notes(cost_by_stage(items), Cost()):
        say(console, f"[dim]{quoted(line)}[/]")
    for line in [*_summary(items), *_budgets(home, items)]:
        say(console, line)
    say_notices(console, told)
    if not names["batch"]:
        say(console, f"[yellow]note[/] {NO_BATCHES}")
    if to_name := [key for key in to_name if not key.startswith("critic_prompt/")]:
        say(console, f"Made only when named: {some(to_name)}.")


def _whole(
    console: Console,
    home: Home,
    recipe: str,
    names: Mapping[str, Sequence[str]],
    stated: tuple[list[str] | None, list[str] | None, list[str] | None],
    as_json: bool,
) -> None:
    """The plan of everything that is made without being named, or of the stated assets, critics and
    arms, with costs, whatever is there."""
    from srft_assets.cli.costs import cost_notes, cost_table
    from srft_assets.platform.planning import cost_by_stage
    from srft_assets.platform.stages import load_stages
    from srft_assets.project.recipe_folders import as_if_used
    from srft_assets.warehouse.plan import Costs, Snapshot, make_plan
    from srft_assets.warehouse.stage import unasked, with_upstream

    warehouse = Snapshot(home.warehouse)
    with as_if_used(recipe), console.status("looking at every partition"):
        stages = load_stages()
        wanted = wanted_assets(stages, *stated)
        stages = with_upstream(stages, wanted) if wanted else unasked(stages)
        items = make_plan(stages, home, warehouse, lambda kind: names[kind], costs=Costs.WHOLE)
    if as_json:
        typer.echo(_json(items, []))
        return
    stages_told = cost_by_stage(items)
    console.print(cost_table(stages_told, total(items)))
    for line in cost_notes(stages_told, total(items)):
        say(console, f"[dim]{quoted(line)}[/]")
    asked = [key for key in stages if key.startswith("step_verdicts/") and stages[key].estimate]
    if asked and not names["batch"]:
        say(console, f"Unknown (calls, tokens of {some(asked)}): {NO_BATCHES}.")


def apply(
    assets: Assets = None,
    batch: Batches = None,
    seed: Seeds = None,
    critic: Critics = None,
    arm: Arms = None,
    unsafe: Unsafe = False,
    budget_calls: Annotated[
        int | None, typer.Option(help="Calls that critics may be paid for; then it stops.", min=0)
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option(help="The same in USD, by prices of srft.yaml.", min=0)
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Do not wait for batches of a provider: exit 4.")
    ] = False,
    jobs: Jobs = None,
    engine: Engine = None,
    quiet: Quiet = False,
) -> None:
    """Make what is missing or stale, upstream first, and nothing else.

    Where nothing is named, a critic that asks a model is left alone unless an arm needs it.
    """
    from srft_assets.warehouse.stage import with_upstream

    settings = _of_runs(budget_calls, budget_usd) | ({"wait": False} if no_wait else {})
    console = Console()
    home = current_home()
    batches, seeds = chosen_batches(home, batch), chosen_seeds(home, seed)
    if not batches and not (assets or arm):
        raise SrftError(NO_BATCHES)
    with applier(console, settings) as platform:
        wanted = wanted_assets(platform.stages, assets, critic, arm)
        if not batches:
            needed = with_upstream(platform.stages, wanted) if arm else wanted
            of_batches = [platform.stages[key].partitioned_by == "batch" for key in needed]
            if any(of_batches) if arm else all(of_batches):
                raise SrftError(NO_BATCHES)
        outcome = platform.apply(wanted, batches, seeds)
    print_outcome(console, outcome)
    say_notices(console, platform.notices(outcome, batches, seeds))
    end(outcome)


def _of_runs(max_calls: int | None, max_usd: float | None) -> dict[str, Any]:
    """What the runs of the command are told: one budget for all of them, from now on."""
    stated = {"max_calls": max_calls, "max_usd": max_usd}
    given = {name: value for name, value in stated.items() if value is not None}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {**given, "paid_since": now} if given else {}


def _out_of_sync(items: Sequence["Item"], assets: Collection[str]) -> list[str]:
    """Those of the assets that are not in sync, upstream first."""
    away = (item.asset for item in items if item.state != "in sync" and item.asset in assets)
    return list(dict.fromkeys(away))


def _json(items: Sequence["Item"], notices: Sequence["Notice"]) -> str:
    import orjson

    from srft_assets.platform.planning import cost_by_stage

    told = {
        "partitions": [asdict(item) for item in items],
        "cost": asdict(total(items)),
        "costs": [asdict(one) for one in cost_by_stage(items)],
        "notices": [asdict(notice) for notice in notices],
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()


def total(items: Sequence["Item"]) -> "Cost":
    """What all of them take."""
    from srft_assets.warehouse.cost import Cost

    return sum((item.cost for item in items if item.cost is not None), Cost())


def _table(items: Sequence["Item"]) -> Table:
    """One row for neighbours of the same asset, state and reason."""
    rows = []
    for (asset, state, why), group in groupby(
        items, key=lambda item: (item.asset, str(item.state), _reason(item))
    ):
        names = some([item.partition for item in group])
        rows.append((asset, names, Text(state, style=STYLE[state]), why))
    return table([whole("asset"), *map(words, ("partitions", "state", "why"))], rows)


def _reason(item: "Item") -> str:
    """What is told of a partition; what it waits for without the partition's own name."""
    if item.behind:
        return f"for {item.behind.rpartition('/')[0]}"
    rest = len(item.why) - REASONS_SHOWN
    told = "; ".join(item.why[:REASONS_SHOWN])
    return f"{told}; and {rest} more" if rest > 0 else told


def _budgets(home: Home, items: Sequence["Item"]) -> list[str]:
    """What is under way of the critics that would be asked, and what they may still pay for, where
    that is bounded."""
    cost: dict[str, Cost] = {}
    for item in items:
        if item.cost and item.cost.calls:
            critic = item.asset.rpartition("/")[2]
            cost[critic] = cost[critic] + item.cost if critic in cost else item.cost
    if not cost:
        return []
    from srft_assets.critic.spending import in_words, left_of_life, under_way
    from srft_assets.project.settings import settings

    stated, held = settings(), under_way(home)
    lines = [
        f"{held[critic]:,} calls of {critic} are in batches under way: srft apply goes on."
        for critic in sorted(cost.keys() & held.keys())
    ]
    for critic in sorted(name for name, one in cost.items() if one.calls > one.answered):
        told = in_words(left_of_life(home, critic, stated))
        lines += [f"Left of the budget of {critic} (critic.max_…): {told}."] if told else []
    return lines


def _summary(items: Sequence["Item"]) -> list[str]:
    states: dict[str, Any] = {}
    for item in items:
        states[str(item.state)] = states.get(str(item.state), 0) + 1
    lines = [f"{states.pop('in sync', 0)} of {len(items)} partitions in sync"]
    lines[0] += "".join(f", {count} {state}" for state, count in states.items()) + "."
    cost = total(items)
    if cost.calls:
        lines.append(calls_told(cost))
    if cost.tokens_to_train:
        read = cost.tokens_to_validate
        also = f", {read:,} to read in validations" if read else ""
        lines.append(f"About {cost.tokens_to_train:,} tokens to train{also}.")
    return lines


def calls_told(cost: "Cost") -> str:
    """What critics cost; an estimate is called one."""
    price = f", about ${cost.usd:,.2f}" if cost.usd else ""
    tokens = f" (about {cost.tokens_to_label:,} tokens to label{price})"
    to_pay = cost.calls - cost.answered
    told = (
        f"{to_pay:,} critic {'call' if to_pay == 1 else 'calls'} to pay for"
        f"{tokens if cost.tokens_to_label else ''}, {cost.answered:,} answered by the ledger."
    )
    return told if cost.exact else f"Estimated, --exact counts: {told}"
