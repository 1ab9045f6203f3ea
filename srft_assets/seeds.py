"""Seeds of training and evaluation: the first, and those that somebody asked for."""

import re
from collections.abc import Iterable, Mapping

from srft_assets.database.read import read_rows
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Stage

FIRST = "0"
NAME = re.compile(r"0|[1-9][0-9]{0,8}")


def asked_seeds(home: Home) -> list[str]:
    """The seeds that every arm is trained with, in their order: 0, and what was added to it."""
    return _ordered({FIRST, *(name for (name,) in read_rows(home, "SELECT name FROM seeds"))})


def known_seeds(home: Home, stages: Mapping[str, Stage], warehouse: Warehouse) -> list[str]:
    """Those, and all of which some partition is there."""
    by_seed = [key for key, stage in stages.items() if stage.partitioned_by == "seed"]
    return _ordered({*asked_seeds(home)}.union(*(seeds_there(warehouse, key) for key in by_seed)))


def seeds_there(warehouse: Warehouse, asset: str) -> set[str]:
    """The seeds of which a partition of the asset is there."""
    return {name for name in warehouse.partitions(asset) if NAME.fullmatch(name)}


def check_seed(name: str) -> str:
    """The name of a seed. Raises UsageError for what is no number."""
    if not NAME.fullmatch(name):
        raise UsageError(f"no seed {name!r}: a seed is a number, 0, 1, 2, …")
    return name


def add_seeds(home: Home, names: Iterable[str]) -> None:
    """Ask for seeds; those that were asked for before stay. Raises UsageError."""
    from srft_assets.database.store import SEEDS, database_of, insert_once

    wanted = [check_seed(name) for name in names if name != FIRST]
    with database_of(home).write() as connection:
        for name in wanted:
            insert_once(connection, SEEDS, {"name": name})


def more_seeds(home: Home, count: int) -> list[str]:
    """Ask for so many further seeds, the lowest numbers that are free; their names."""
    taken = set(asked_seeds(home))
    free = (str(number) for number in range(len(taken) + count) if str(number) not in taken)
    names = [name for name, _ in zip(free, range(count), strict=False)]
    add_seeds(home, names)
    return names


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=int)
