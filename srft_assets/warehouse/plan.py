"""What is in sync, missing, stale and why, or orphaned, over the whole graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from srft_assets.home import Home
from srft_assets.warehouse.graph import in_order
from srft_assets.warehouse.history import versions
from srft_assets.warehouse.making import MissingInputError, foreseen, recipe_of
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.snapshot import Snapshot
from srft_assets.warehouse.stage import Cost, Partitioning, Stage
from srft_assets.warehouse.store import ONLY, Warehouse, matching

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


@dataclass(frozen=True, slots=True)
class Item:
    """One partition of the plan.

    Attributes:
        why: what changed, from what to what; or what it waits for.
        cost: what making it would take, where it is missing or stale.
        behind: `asset/partition` of an input of the plan that is made first, else empty.
    """

    asset: str
    partition: str
    state: State
    why: tuple[str, ...] = ()
    cost: Cost | None = None
    behind: str = ""


def state_of(stage: Stage, home: Home, warehouse: Warehouse, partition: str) -> Item:
    """The state of one partition, looking at its direct inputs."""
    stamp = warehouse.stamp(stage.key, partition)
    try:
        recipe = recipe_of(stage, home, warehouse, partition)
    except MissingInputError as error:
        return Item(stage.key, partition, State.WAITING, (str(error),))
    if stamp is None:
        return Item(stage.key, partition, State.MISSING)
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
    costs: bool = False,
) -> list[Item]:
    """The state of every partition, upstream first; with `costs` also what making it takes."""
    return list(Planner(stages, home, warehouse, partitions, costs).items())


class Planner:
    """One look at a platform."""

    def __init__(
        self,
        stages: Mapping[str, Stage],
        home: Home,
        warehouse: Warehouse,
        partitions: Partitions,
        costs: bool,
    ) -> None:
        self.stages, self.home, self.partitions, self.costs = stages, home, partitions, costs
        self.snapshot = Snapshot(warehouse.root)
        self.unsettled: dict[str, dict[str, None]] = {}

    def items(self) -> Iterator[Item]:
        """Every partition, upstream first."""
        for stage in in_order(self.stages):
            whole = stage.partitioned_by == "none"
            for name in [ONLY] if whole else self.partitions(stage.partitioned_by):
                yield self._item(stage, name)

    def _item(self, stage: Stage, name: str) -> Item:
        item = self._behind(stage, name) or state_of(stage, self.home, self.snapshot, name)
        if item.state is State.IN_SYNC:
            return item
        if item.state is not State.WAITING:
            if stage.ahead:
                stamp = foreseen(stage, self.home, self.snapshot, name)
                self.snapshot.foresee(stage.key, name, stamp)
                return item
            if item.state is State.STALE:
                item = replace(item, why=self._explained(stage, name))
            if self.costs and stage.cost is not None:
                item = replace(item, cost=stage.cost(self.home, name))
        self.unsettled.setdefault(stage.key, {})[name] = None
        return item

    def _behind(self, stage: Stage, partition: str) -> Item | None:
        for edge in stage.upstream:
            unsettled = self.unsettled.get(edge.asset, {})
            if edge.mapping == "all":
                waits = matching(unsettled, edge.only)
            else:
                name = partition if edge.mapping == "same" else ONLY
                waits = [name] if name in unsettled else []
            if waits:
                behind = f"{edge.asset}/{waits[0]}"
                return Item(stage.key, partition, State.WAITING, (f"for {behind}",), behind=behind)
        return None

    def _explained(self, stage: Stage, name: str) -> tuple[str, ...]:
        """What changed; for an input that was foreseen, what changed in it."""
        stamp = self.snapshot.stamp(stage.key, name)
        old = stamp.recipe if stamp else Recipe()
        lines: list[str] = []
        for line in recipe_of(stage, self.home, self.snapshot, name).changes_from(old):
            lines += self._inner(line, old) or [line]
        return tuple(lines)

    def _inner(self, line: str, old: Recipe) -> list[str]:
        """`input A/all changed` in the words of A's own settings, where A keeps its versions."""
        if not (line.startswith("input ") and line.endswith(" changed")):
            return []
        name = line.removeprefix("input ").removesuffix(" changed")
        asset, _, partition = name.rpartition("/")
        stage, stamp = self.stages.get(asset), None
        if stage is not None and stage.ahead and stage.kept:
            stamp = self.snapshot.stamp(asset, partition)
        if stage is None or stamp is None:
            return []
        for before in versions(self.home, stage, partition):
            if before.data_version == old.inputs.get(name):
                return stamp.recipe.changes_from(before.recipe)
        return []


def orphans(
    stages: Mapping[str, Stage], warehouse: Warehouse, partitions: Partitions
) -> list[Item]:
    """Partitions on disk of assets that are gone, or of batches or seeds that nobody knows."""
    of = {key: stage for stage in stages.values() for key in (stage.key, *stage.beside)}
    kept = {stage.kept for stage in stages.values()}
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
