"""Making partitions without Dagster."""

import logging

from srft_assets.home import Home
from srft_assets.warehouse.making import make_partition, recipe_of
from srft_assets.warehouse.stage import Made, Stage, Work
from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import ONLY, Warehouse
from tests.trajectories.ingest_support import Quiet


def make(home: Home, stage: Stage, partition: str = ONLY) -> tuple[Made, Stamp]:
    """Make one partition as the engine does."""
    warehouse = Warehouse(home.warehouse)
    work = Work(
        home=home,
        warehouse=warehouse,
        partition=partition,
        recipe=recipe_of(stage, home, warehouse, partition),
        run_id="test",
        progress=Quiet(),
        launch=lambda argv, env: None,
        log=logging.getLogger(__name__),
    )
    return make_partition(stage, work)


def fingerprint(home: Home, stage: Stage) -> str:
    """Of what the only partition would be made from now."""
    return recipe_of(stage, home, Warehouse(home.warehouse), ONLY).fingerprint
