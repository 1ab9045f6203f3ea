"""The assets that no YAML states: runs, what the tests said of them, gold labels, base model."""

import dagster as dg

from srft_assets.components.asset import build_asset
from srft_assets.components.checks import (
    outcomes_add_up,
    steps_consecutive,
    trajectory_ids_unique,
)
from srft_assets.schemas import SCHEMAS
from srft_assets.stages import fixed_stages


@dg.definitions
def defs() -> dg.Definitions:
    """The assets and their checks."""
    return dg.Definitions(
        assets=[build_asset(stage, SCHEMAS) for stage in fixed_stages()],
        asset_checks=[
            steps_consecutive("trajectories"),
            trajectory_ids_unique("trajectories"),
            outcomes_add_up("test_outcomes"),
        ],
    )
