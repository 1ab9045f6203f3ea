"""The whole platform: everything below `defs/`."""

from pathlib import Path

import dagster as dg

# Before the loader, which restores the warning filters that it found.
import srft_assets.components  # noqa: F401


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, sensors, schedules and resources of the platform."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
