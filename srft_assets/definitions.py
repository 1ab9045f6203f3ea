"""The whole platform: everything below `defs/`."""

from pathlib import Path

import dagster as dg

# Before the loader, which restores the warning filters that it found.
import srft_assets.components  # noqa: F401
from srft_assets.components.asset import build_asset
from srft_assets.components.defs_folder import load_defs_folder
from srft_assets.components.in_sync import in_sync_checks
from srft_assets.components.stages import stages_in
from srft_assets.defs import resources
from srft_assets.schemas import SCHEMAS
from srft_assets.stages import comparisons, load_stages


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, sensors, schedules and resources of the platform."""
    loaded = load_defs_folder()
    stages = stages_in(loaded)
    compared = comparisons(list(stages.values()))
    keys = [*stages, *(stage.key for stage in compared)]
    more = dg.Definitions(
        assets=[build_asset(stage, SCHEMAS) for stage in compared],
        asset_checks=[in_sync_checks(keys, load_stages)],
    )
    return dg.Definitions.merge(loaded, more)


def project(folder: Path) -> dg.Definitions:
    """The assets of the critics and arms below a folder, in the place of the shipped ones."""
    assets = [build_asset(stage, SCHEMAS) for stage in load_stages(folder).values()]
    return dg.Definitions.merge(dg.Definitions(assets=assets), resources.defs)
