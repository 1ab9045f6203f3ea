"""The two ways to cut the platform: by batch of runs, and by seed."""

import dagster as dg

from srft_assets.warehouse.stage import Partitioning, Stage, Upstream

BATCHES = dg.DynamicPartitionsDefinition(name="batch")
"""A batch is at most a few hundred runs. Batches are registered by ingest and never deleted."""

SEEDS = dg.StaticPartitionsDefinition([str(seed) for seed in range(10)])
"""Seeds of training and evaluation."""


def partitions_def(kind: Partitioning) -> dg.PartitionsDefinition | None:
    """The Dagster partitions of a stage; None for an unpartitioned one."""
    return {"batch": BATCHES, "seed": SEEDS, "none": None}[kind]


def dependency(stage: Stage, edge: Upstream) -> dg.AssetDep:
    """The edge with its mapping stated: Dagster's default would silently be identity."""
    key = dg.AssetKey(edge.asset.split("/"))
    if edge.mapping == "same":
        return dg.AssetDep(key, partition_mapping=dg.IdentityPartitionMapping())
    if edge.mapping == "all" or stage.partitioned_by != "none":
        return dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())
    return dg.AssetDep(key)
