"""What is in sync, missing, stale and why, or orphaned, over the whole graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.partitions import CALLS, ONLY, Stamp, Warehouse, damage
from srft_assets.warehouse.stage import Partitioning, Planned, Stage, in_order

Partitions = Callable[[Partitioning], Sequence[str]]
"""Names of the partitions that should exist, by kind."""


class State(StrEnum):
    """State of one partition against what would be made now.

    What lies behind a partition that is not in sync is `waiting`: whether it must be made again
    is known only when its input is, because identical output stops the wave. `orphaned` is a
    partition that nothing asks for any more.
    """

    IN_SYNC = "in sync"
    MISSING = "missing"
    STALE = "stale"
    WAITING = "waiting"
    ORPHANED = "orphaned"


class Costs(StrEnum):
    """Whether a plan tells what making takes, and how sure it is; `WHOLE`: an estimate also of what
    is there already."""

    NONE = "none"
    ESTIMATED = "estimated"
    EXACT = "exact"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Item:
    """One partition of the plan.

    Attributes:
        why: what changed, from what to what; or what it waits for.
        cost: what making it would take, where it is missing or stale; counted exactly, also where
            it waits, as if its inputs came out as they are now.
        behind: `asset/partition` of an input of the plan that is made first, else empty.
    """

    asset: str
    partition: str
    state: State
    why: tuple[str, ...] = ()
    cost: Cost | None = None
    behind: str = ""


@dataclass(frozen=True)
class Snapshot(Warehouse):
    """A `Warehouse` that remembers stamps, for one plan and no longer."""

    stamps: dict[tuple[str, str], Stamp | None] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def stamp(self, asset: str, partition: str = ONLY) -> Stamp | None:
        """As `Warehouse.stamp`."""
        place = (asset, partition)
        if place not in self.stamps:
            self.stamps[place] = super().stamp(asset, partition)
        return self.stamps[place]

    def partitions(self, asset: str) -> list[str]:
        """As `Warehouse.partitions`."""
        if asset not in self.names:
            self.names[asset] = super().partitions(asset)
        return self.names[asset]


def state_of(stage: Stage, home: Home, warehouse: Warehouse, partition: str) -> Item:
    """The state of one partition, looking at its direct inputs.

    It waits where what it is made from cannot be told (a damaged manifest), and the rest goes on.
    """
    stamp = warehouse.stamp(stage.key, partition)
    try:
        recipe = recipe_of(stage, home, warehouse, partition)
    except SrftError as error:
        return Item(stage.key, partition, State.WAITING, (str(error),))
    if stamp is None:
        path = warehouse.path(stage.key, partition)
        if not path.exists():
            return Item(stage.key, partition, State.MISSING)
        return Item(stage.key, partition, State.STALE, (f"{path} is damaged: {damage(path)}",))
    if stamp.fingerprint != recipe.fingerprint:
        why = tuple(recipe.changes_from(stamp.recipe))
        return Item(stage.key, partition, State.STALE, why)
    return Item(stage.key, partition, State.IN_SYNC)


def in_sync(stage: Stage, home: Home, partition: str) -> bool:
    """Whether making the partition now would make what is there already."""
    item = state_of(stage, home, Warehouse(home.warehouse), partition)
    return item.state is State.IN_SYNC


def make_plan(
    stages: Mapping[str, Stage],
    home: Home,
    warehouse: Warehouse,
    partitions: Partitions,
    *,
    costs: Costs = Costs.NONE,
) -> list[Item]:
    """The state of every partition, upstream first, and what making it takes.

    It reads what partitions say of themselves, and no row, unless costs are to be exact.
    """
    return list(Planner(stages, home, warehouse, partitions, costs).items())


class Planner:
    """One look at a platform."""

    def __init__(
        self,
        stages: Mapping[str, Stage],
        home: Home,
        warehouse: Warehouse,
        partitions: Partitions,
        costs: Costs,
    ) -> None:
        self.stages, self.partitions, self.costs = stages, partitions, costs
        self.home = replace(home, database_named=home.database_url)  # asked for once a partition
        known = isinstance(warehouse, Snapshot)
        self.snapshot = warehouse if known else Snapshot(warehouse.root)
        self.unsettled: dict[str, dict[str, None]] = {}

    def items(self) -> Iterator[Item]:
        """Every partition, upstream first."""
        for stage in in_order(self.stages):
            whole = stage.partitioned_by == "none"
            for name in [ONLY] if whole else self.partitions(stage.partitioned_by):
                yield self._item(stage, name)

    def _item(self, stage: Stage, name: str) -> Item:
        item = self._behind(stage, name) or state_of(stage, self.home, self.snapshot, name)
        if self._takes(item):
            item = replace(item, cost=self._cost(stage, item))
        if item.state is not State.IN_SYNC:
            self.unsettled.setdefault(stage.key, {})[name] = None
        return item

    def _takes(self, item: Item) -> bool:
        """Whether it is known to be made, or all costs are asked for: what waits and is there may
        stay as it is."""
        if self.costs in (Costs.NONE, Costs.WHOLE):
            return self.costs is Costs.WHOLE
        waits = item.state is State.WAITING and self.costs is not Costs.EXACT
        missing = not waits or self.snapshot.stamp(item.asset, item.partition) is None
        return item.state is not State.IN_SYNC and missing

    def _cost(self, stage: Stage, item: Item) -> Cost | None:
        exact = stage.count if self.costs is Costs.EXACT else None
        cost = exact or stage.estimate
        if cost is None:
            return None
        recipe = None
        if exact or item.state is not State.WAITING:
            try:
                recipe = recipe_of(stage, self.home, self.snapshot, item.partition)
            except SrftError:
                return None
        stamp = self.snapshot.stamp(stage.key, item.partition)
        return cost(Planned(self.home, self.snapshot, item.partition, recipe, stamp))

    def _behind(self, stage: Stage, partition: str) -> Item | None:
        for edge in stage.upstream:
            if not edge.decides:
                continue
            if waits := edge.taken(self.home, self.unsettled.get(edge.asset, {}), partition):
                behind = f"{edge.asset}/{waits[0]}"
                return Item(stage.key, partition, State.WAITING, (f"for {behind}",), behind=behind)
        return None


def orphans(
    stages: Mapping[str, Stage], warehouse: Warehouse, partitions: Partitions
) -> list[Item]:
    """Partitions on disk of assets that are gone, or of batches or seeds that nobody knows."""
    of = {key: stage for stage in stages.values() for key in (stage.key, *stage.beside)}
    kept = {stage.kept for stage in stages.values()} | {CALLS}
    found = []
    for path in sorted(warehouse.root.glob("[!_.]*/**/[!_.]*.parquet")):
        asset = path.parent.relative_to(warehouse.root).as_posix()
        stage = of.get(asset)
        if asset.split("/")[0] in kept:
            continue
        if stage is None:
            why = "no such asset any more"
        elif stage.partitioned_by == "none" or path.stem in partitions(stage.partitioned_by):
            continue
        else:
            why = f"no such {stage.partitioned_by} any more"
        found.append(Item(asset, path.stem, State.ORPHANED, (why,)))
    return found
