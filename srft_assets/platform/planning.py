"""The plan over the whole platform, as the command line, sensors and checks ask for it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from srft_assets.home import Home
from srft_assets.instance import locks_of_killed
from srft_assets.seeds import asked_seeds, known_seeds
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.plan import Item, State, make_plan
from srft_assets.warehouse.stage import (
    Partitioning,
    Said,
    Stage,
    in_order,
    unasked,
    with_upstream,
)


@dataclass(frozen=True)
class Outcome:
    """What an `apply` did, by asset: partitions made, left alone, and, with the reason, failed or
    waiting: for a budget, a batch of a provider, or a partition that waits."""

    made: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wish:
    """What is to be in sync: assets (none: all that are made without being named), and which of
    their partitions."""

    assets: Sequence[str]
    batches: Sequence[str]
    seeds: Sequence[str]

    def stages(self, stages: Mapping[str, Stage]) -> list[Stage]:
        """The stages that are wanted and all they need, upstream first."""
        chosen = with_upstream(stages, self.assets) if self.assets else unasked(stages)
        return in_order(chosen)

    def names(self, kind: Partitioning) -> Sequence[str]:
        """Partitions of a stage."""
        return {"batch": self.batches, "seed": self.seeds, "none": [ONLY]}[kind]


@dataclass(frozen=True)
class Notice:
    """What assets would leave unsaid; `watch` is the name of the check that says it in the UI."""

    assets: Sequence[str]
    watch: str
    said: Said


def notices(
    stages: Iterable[Stage],
    home: Home,
    warehouse: Warehouse,
    names: Callable[[Partitioning], Sequence[str]],
) -> list[Notice]:
    """What the watches of these stages have to say of such partitions; alike is said once."""
    told: dict[tuple[str, Said], list[str]] = {}
    for stage in stages:
        for watch, look in stage.watches.items():
            if said := look(home, warehouse, names(stage.partitioned_by)):
                told.setdefault((watch, said), []).append(stage.key)
    return [Notice(assets, watch, said) for (watch, said), assets in told.items()]


def nothing_to_make(stages: Mapping[str, Stage], home: Home, wish: Wish) -> Outcome | None:
    """The outcome of an apply where all is in sync already.

    None where Dagster is needed: something is to be made, or a killed process left a run open.
    """
    if locks_of_killed(home):
        return None
    chosen = {stage.key: stage for stage in wish.stages(stages)}
    kept: dict[str, list[str]] = {key: [] for key in chosen}
    for item in make_plan(chosen, home, Warehouse(home.warehouse), wish.names):
        if item.state is not State.IN_SYNC:
            return None
        kept[item.asset].append(item.partition)
    return Outcome(made={key: [] for key in chosen}, kept=kept)


@dataclass(frozen=True)
class StageCost:
    """What the partitions of one stage take: how many there are, how many of them are in sync."""

    stage: str
    partitions: int
    in_sync: int
    cost: Cost


def cost_by_stage(items: Iterable[Item], apart: bool = True) -> list[StageCost]:
    """Of every asset of a plan that tells what it takes, upstream first; `apart`: of each arm and
    critic, else of all together (`checkpoints`)."""
    found: dict[str, StageCost] = {}
    for item in items:
        if item.cost is not None:
            stage = item.asset if apart else item.asset.partition("/")[0]
            so_far = found.get(stage, StageCost(stage, 0, 0, Cost()))
            found[stage] = StageCost(
                stage=stage,
                partitions=so_far.partitions + 1,
                in_sync=so_far.in_sync + (item.state is State.IN_SYNC),
                cost=so_far.cost + item.cost,
            )
    return list(found.values())


@dataclass(frozen=True)
class Look:
    """One look at the platform.

    Attributes:
        stages: the graph.
        items: by asset, upstream first, every partition of the plan that somebody wants.
        needed: assets that are made without being named, or that such an asset needs.
    """

    stages: Mapping[str, Stage]
    items: Mapping[str, list[Item]]
    needed: Collection[str]


def look(
    stages: Mapping[str, Stage],
    home: Home,
    assets: Collection[str] | None = None,
    asked: Collection[str] = (),
    warehouse: Warehouse | None = None,
) -> Look:
    """The plan over all stages, or over `assets` and all they depend on, without costs.

    What of `asked` is missing is wanted as if it were made without being named. A `Snapshot` as
    the warehouse has all that was looked at afterwards. Raises SrftError where the plan cannot be
    made.
    """
    chosen = with_upstream(stages, assets) if assets is not None else stages
    warehouse = warehouse or Warehouse(home.warehouse)
    batches, seeds = batch_names(home), known_seeds(home, stages, warehouse)
    shown = stages if assets is None else assets
    items: dict[str, list[Item]] = {s.key: [] for s in in_order(chosen) if s.key in shown}
    needed = unasked(stages) | with_upstream(stages, asked)
    is_wanted = wanted(stages, warehouse, asked_seeds(home), needed)
    plan = make_plan(chosen, home, warehouse, lambda kind: batches if kind == "batch" else seeds)
    for item in plan:
        if item.asset in items and is_wanted(item):
            items[item.asset].append(item)
    return Look(stages, items, needed.keys())


def wanted(
    stages: Mapping[str, Stage],
    warehouse: Warehouse,
    seeds: Collection[str],
    needed: Collection[str],
) -> Callable[[Item], bool]:
    """Whether anybody wants a partition to be there.

    What exists is wanted. What is missing is wanted where it is `needed`: not the
    verdicts of a critic that costs money and that no arm needs, and of seeds only those that were
    asked for (`seeds`) and those whose inputs of the same seed exist.
    """
    there = {key: set(warehouse.partitions(key)) for key in stages}

    def is_wanted(item: Item) -> bool:
        asset, name = item.asset, item.partition
        if name in there[asset] or asset not in needed:
            return name in there[asset]
        same = [edge.asset for edge in stages[asset].upstream if edge.mapping == "same"]
        by_seed = stages[asset].partitioned_by == "seed"
        return not by_seed or name in seeds or any(name in there[key] for key in same)

    return is_wanted
