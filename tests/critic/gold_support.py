"""Queues for annotators, and partitions that are made without Dagster."""

from typing import Any

from srft_assets.critic.gold.queue import chosen_steps
from srft_assets.critic.gold.queue import queue as queue_of
from srft_assets.home import Home
from srft_assets.warehouse.making import make_partition, recipe_of, work_alone
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse
from srft_assets.warehouse.stage import Made, Stage


def make(home: Home, stage: Stage, partition: str = ONLY) -> tuple[Made, Stamp]:
    """Make one partition as the engine does."""
    return make_partition(stage, work_alone(stage, home, partition, run_id="test"))


def fingerprint(home: Home, stage: Stage) -> str:
    """Of what the only partition would be made from now."""
    return recipe_of(stage, home, Warehouse(home.warehouse), ONLY).fingerprint


def queue(
    warehouse: Warehouse, batches: list[str], *, show_verdict: bool = False, **how: Any
) -> list[dict[str, Any]]:
    """What annotators are given of the steps that are chosen so."""
    return queue_of(warehouse, chosen_steps(warehouse, batches, **how), show_verdict)
