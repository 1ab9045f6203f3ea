"""The plan over the graph as Dagster asks for it: the files of now, no costs, what is wanted."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from srft_assets.components.defs_folder import load_defs_folder
from srft_assets.components.stages import stages_in
from srft_assets.home import CHECKOUT, Home
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.graph import in_order, with_upstream
from srft_assets.warehouse.plan import Item, make_plan
from srft_assets.warehouse.stage import Stage
from srft_assets.warehouse.store import Warehouse

PACKAGE = CHECKOUT / "srft_assets"
DECIDING = (".py", ".yaml", ".md")
FIRST_SEED = "0"


@dataclass(frozen=True)
class Look:
    """One look at the platform.

    Attributes:
        stages: the graph.
        items: by asset, upstream first, every partition of the plan that somebody wants.
    """

    stages: Mapping[str, Stage]
    items: Mapping[str, list[Item]]


def look(stages: Mapping[str, Stage], home: Home, assets: Collection[str] | None = None) -> Look:
    """The plan over all stages, or over `assets` and all they depend on, without costs.

    Raises SrftError where the plan cannot be made.
    """
    chosen = with_upstream(stages, assets) if assets is not None else stages
    warehouse = Warehouse(home.warehouse)
    batches, seeds = batch_names(home), _seeds(stages, warehouse)
    asked = stages if assets is None else assets
    items: dict[str, list[Item]] = {s.key: [] for s in in_order(chosen) if s.key in asked}
    is_wanted = wanted(stages, warehouse)
    plan = make_plan(
        chosen, home, warehouse, lambda kind: batches if kind == "batch" else sorted(seeds)
    )
    for item in plan:
        if item.asset in items and is_wanted(item):
            items[item.asset].append(item)
    return Look(stages, items)


def wanted(stages: Mapping[str, Stage], warehouse: Warehouse) -> Callable[[Item], bool]:
    """Whether anybody wants a partition to be there.

    What exists is wanted. What is missing is wanted where it is made without being named: not the
    verdicts of a critic that costs money and that no arm needs, and of seeds only the first and
    those whose inputs of the same seed exist.
    """
    unnamed = [key for key, stage in stages.items() if not (stage.on_request or stage.ahead)]
    needed = with_upstream(stages, unnamed)
    there = {key: set(warehouse.partitions(key)) for key in stages}

    def is_wanted(item: Item) -> bool:
        asset, name = item.asset, item.partition
        if name in there[asset] or asset not in needed:
            return name in there[asset]
        same = [edge.asset for edge in stages[asset].upstream if edge.mapping == "same"]
        by_seed = stages[asset].partitioned_by == "seed"
        return not by_seed or name == FIRST_SEED or any(name in there[key] for key in same)

    return is_wanted


def _seeds(stages: Mapping[str, Stage], warehouse: Warehouse) -> set[str]:
    by_seed = [key for key, stage in stages.items() if stage.partitioned_by == "seed"]
    return {FIRST_SEED}.union(*(warehouse.partitions(key) for key in by_seed))


def current_stages() -> Mapping[str, Stage]:
    """The stages as the files of the package state them now.

    A code server keeps the definitions with which it started, while every run reads the files
    anew: a sensor or schedule that planned by the former would not see an edited prompt.
    """
    return _stages_of(_state_of_files())


@lru_cache(maxsize=1)
def _stages_of(files: tuple[tuple[str, int, int], ...]) -> Mapping[str, Stage]:
    return stages_in(load_defs_folder())


def _state_of_files() -> tuple[tuple[str, int, int], ...]:
    found = []
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in DECIDING and "__pycache__" not in path.parts:
            state = path.stat()
            found.append((str(path), state.st_mtime_ns, state.st_size))
    return tuple(found)
