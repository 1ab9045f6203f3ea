"""The first two assets: runs as they were recorded, and what the tests said of them."""

import os

import dagster as dg

from srft_assets.components.asset import build_asset
from srft_assets.components.checks import (
    outcomes_add_up,
    steps_consecutive,
    trajectory_ids_unique,
)
from srft_assets.lab.collect import VERSION as LAB_VERSION
from srft_assets.lab.collect import collect
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.rollouts.batch.collect import collect as play_rollouts
from srft_assets.rollouts.batch.settings import KIND as ROLLOUT
from srft_assets.rollouts.batch.settings import VERSION as ROLLOUT_VERSION
from srft_assets.schemas import SCHEMAS
from srft_assets.trajectories.stage import trajectories_stage


@dg.definitions
def defs() -> dg.Definitions:
    """`trajectories` and `test_outcomes` with their checks."""
    trajectories = trajectories_stage(
        collectors={"lab": collect, ROLLOUT: play_rollouts},
        collector_versions={"lab": LAB_VERSION, ROLLOUT: ROLLOUT_VERSION},
    )
    outcomes = test_outcomes_stage(unsafe=os.environ.get("SRFT_UNSAFE") == "1")
    return dg.Definitions(
        assets=[
            build_asset(trajectories, SCHEMAS),
            build_asset(outcomes, SCHEMAS, pool="grading"),
        ],
        asset_checks=[
            steps_consecutive(trajectories.key),
            trajectory_ids_unique(trajectories.key),
            outcomes_add_up(outcomes.key),
        ],
    )
