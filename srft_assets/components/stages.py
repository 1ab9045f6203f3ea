"""The stages behind a set of definitions: the plan and the graph have one source."""

from collections.abc import Iterable

import dagster as dg

from srft_assets.components.asset import STAGE
from srft_assets.warehouse.stage import Stage


def stages_of(assets: Iterable[dg.AssetsDefinition]) -> dict[str, Stage]:
    """Stage by asset key, for all assets that were built from one."""
    found = {}
    for asset in assets:
        for spec in asset.specs:
            value = spec.metadata.get(STAGE)
            stage = getattr(value, "instance", value)
            if isinstance(stage, Stage):
                found[stage.key] = stage
    return found


def stages_in(defs: dg.Definitions) -> dict[str, Stage]:
    """Stage by asset key, for all assets of the definitions."""
    return stages_of(defs.resolve_asset_graph().assets_defs)
