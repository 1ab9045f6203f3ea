"""Partitions that Dagster does not know of, although they are there."""

from collections.abc import Collection

import dagster as dg

from srft_assets.components.metadata import kept_metadata
from srft_assets.home import Home
from srft_assets.warehouse.stage import Stage
from srft_assets.warehouse.store import Warehouse


def untold(
    instance: dg.DagsterInstance, stage: Stage, home: Home, names: Collection[str]
) -> list[dg.AssetMaterialization]:
    """Events for those of the partitions that are there and that Dagster takes for missing.

    A killed process told of nothing that it made, and an instance that was made anew forgot.
    """
    key = dg.AssetKey(stage.key.split("/"))
    if stage.partitioned_by == "none":
        known = set(names) if instance.get_latest_materialization_event(key) else set()
    else:
        known = instance.get_materialized_partitions(key)
    there = Warehouse(home.warehouse).partitions(stage.key)
    return [
        dg.AssetMaterialization(
            key,
            partition=None if stage.partitioned_by == "none" else name,
            metadata=kept_metadata(stage, home, name),
        )
        for name in sorted(set(names).intersection(there) - known)
    ]
