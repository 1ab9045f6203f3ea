"""A platform with runs, outcomes and verdicts, made without Dagster."""

import logging
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from srft_assets.critic.stage import rules_stage
from srft_assets.home import Home
from srft_assets.outcomes.stage import test_outcomes_stage as outcomes_stage
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import Collector, trajectories_stage
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


def judged(home: Home, source: Path, collectors: Mapping[str, Collector] = {}) -> Home:
    """Ingest `source`; make runs, outcomes and the verdicts of `rules` of all batches."""
    ingest(home, [source])
    for batch in batch_names(home):
        for stage in (trajectories_stage(collectors), outcomes_stage(), rules_stage()):
            make(home, stage, batch)
    return home


def runs(home: Home) -> pl.DataFrame:
    """Id and number of steps of every run."""
    warehouse = Warehouse(home.warehouse)
    frames = [warehouse.read("trajectories", batch) for batch in batch_names(home)]
    return pl.concat(frames).select("trajectory_id", "n_steps").sort("trajectory_id")
