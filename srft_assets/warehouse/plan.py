"""What is in sync, what is missing, what is stale and why, over the whole graph."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.making import MissingInputError, recipe_of
from srft_assets.warehouse.stage import Partitioning, Stage
from srft_assets.warehouse.store import ONLY, Warehouse, matching

Partitions = Callable[[Partitioning], Sequence[str]]
"""Names of the partitions that should exist, by kind."""


class State(StrEnum):
    """State of one partition against what would be made now."""

    IN_SYNC = "in sync"
    MISSING = "missing"
    STALE = "stale"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Item:
    """One partition of the plan. `why` says what changed, or what it waits for."""

    asset: str
    partition: str
    state: State
    why: tuple[str, ...] = ()


def in_order(stages: Mapping[str, Stage]) -> list[Stage]:
    """The stages, upstream first; among equals, by key. Edges to unknown stages are ignored."""
    done: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        if stage.key in done:
            return
        for edge in stage.upstream:
            if edge.asset in stages:
                visit(stages[edge.asset])
        done[stage.key] = stage

    for key in sorted(stages):
        visit(stages[key])
    return list(done.values())


def with_upstream(stages: Mapping[str, Stage], wanted: Iterable[str]) -> dict[str, Stage]:
    """The wanted stages and all they depend on. Raises UsageError for an unknown key."""
    chosen: dict[str, Stage] = {}
    queue = list(wanted)
    while queue:
        key = queue.pop()
        if key not in stages:
            raise UsageError(f"no asset {key!r}; there are: {', '.join(sorted(stages))}")
        if key not in chosen:
            chosen[key] = stages[key]
            queue += [edge.asset for edge in stages[key].upstream]
    return chosen


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


def make_plan(
    stages: Mapping[str, Stage], home: Home, warehouse: Warehouse, partitions: Partitions
) -> list[Item]:
    """The state of every partition, upstream first.

    What lies behind a partition that is not in sync is `waiting`: whether it must be made
    again is known only when its input is, because identical output stops the wave.
    """
    items: list[Item] = []
    unsettled: set[tuple[str, str]] = set()
    for stage in in_order(stages):
        names = [ONLY] if stage.partitioned_by == "none" else partitions(stage.partitioned_by)
        for name in names:
            item = _behind(stage, name, unsettled) or state_of(stage, home, warehouse, name)
            items.append(item)
            if item.state is not State.IN_SYNC:
                unsettled.add((stage.key, name))
    return items


def _behind(stage: Stage, partition: str, unsettled: set[tuple[str, str]]) -> Item | None:
    for edge in stage.upstream:
        if edge.mapping == "all":
            waits = matching((name for key, name in unsettled if key == edge.asset), edge.only)
        else:
            name = partition if edge.mapping == "same" else ONLY
            waits = [name] if (edge.asset, name) in unsettled else []
        if waits:
            return Item(stage.key, partition, State.WAITING, (f"for {edge.asset}/{waits[0]}",))
    return None
