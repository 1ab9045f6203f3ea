"""Fixtures for the lab: a sandbox, and the making of a batch."""

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

import pytest

from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Work

T = TypeVar("T")


class Counting:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        self.totals.append(total)
        yield from items


def lab_work(home: Home, batch: str = "lab-test") -> Work:
    """The making of a `trajectories` partition, as handed to a collector."""
    return Work(
        home=home,
        warehouse=Warehouse(home.warehouse),
        partition=batch,
        recipe=Recipe(),
        run_id="test",
        progress=Counting(),
        launch=lambda argv, env, prefix: None,
        log=logging.getLogger("test"),
    )


@pytest.fixture
def work(home: Home) -> Work:
    return lab_work(home)
