"""The whole platform: everything below `defs/`."""

import dagster as dg

# Before the loader, which restores the warning filters that it found.
import srft_assets.components  # noqa: F401
from srft_assets.components.comparison import with_comparison
from srft_assets.components.defs_folder import load_defs_folder
from srft_assets.components.in_sync import in_sync_checks
from srft_assets.components.stages import stages_in


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, sensors, schedules and resources of the platform."""
    loaded = with_comparison(load_defs_folder())
    checks = in_sync_checks(stages_in(loaded))
    return dg.Definitions.merge(loaded, dg.Definitions(asset_checks=[checks]))
