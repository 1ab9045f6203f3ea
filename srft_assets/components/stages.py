"""The stages behind a set of definitions: the plan and the graph have one source."""

import dagster as dg

from srft_assets.components.asset import STAGE
from srft_assets.warehouse.stage import Stage


def stages_of(defs: dg.Definitions) -> dict[str, Stage]:
    """Stage by asset key, for all assets that were built from one."""
    stages = {}
    for spec in defs.resolve_all_asset_specs():
        value = spec.metadata.get(STAGE)
        stage = getattr(value, "instance", value)
        if isinstance(stage, Stage):
            stages[stage.key] = stage
    return stages
