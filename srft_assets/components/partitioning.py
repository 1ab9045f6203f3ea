"""Dagster's partitions of the stages: batches, seeds, and those that somebody has to ask for."""

from collections.abc import Collection, Iterable

import dagster as dg

from srft_assets.home import Home
from srft_assets.project.settings import settings
from srft_assets.seeds import asked_seeds, seeds_there
from srft_assets.trajectories.batches import batch_names, family_of
from srft_assets.warehouse.partitions import Warehouse, matching
from srft_assets.warehouse.stage import Stage

BATCH = "batch"
"""Dagster's name of the batches. They are registered by ingest and never deleted."""

SEED = "seed"
"""Dagster's name of the seeds of arms that are made without being named."""

BATCHES = dg.DynamicPartitionsDefinition(name=BATCH)

PARTITIONS: dict[str, dg.PartitionsDefinition | None] = {
    "batch": BATCHES,
    "seed": dg.DynamicPartitionsDefinition(name=SEED),
    "none": None,
}
"""By how a stage is partitioned: batches of at most a few hundred runs, or seeds."""

ASKED_SEEDS = dg.DynamicPartitionsDefinition(name="seed_on_request")
"""Seeds of controls: none until one is asked for, so that Materialize all trains none."""

ASKED_BATCHES = "batches of "
"""Before the key of an asset, Dagster's name of the batches for which it was asked."""


def partition_of(stage: Stage, name: str) -> str | None:
    """A partition's name as Dagster has it: None for the only one of an unpartitioned asset."""
    return None if stage.partitioned_by == "none" else name


def partitions_of(stage: Stage, needed: Collection[str]) -> dg.PartitionsDefinition | None:
    """The partitions of a stage's asset; of one that is not `needed` those that were asked for,
    so that Materialize all makes none."""
    if stage.key in needed or stage.partitioned_by == "none":
        return PARTITIONS[stage.partitioned_by]
    if stage.partitioned_by == "seed":
        return ASKED_SEEDS
    return dg.DynamicPartitionsDefinition(name=f"{ASKED_BATCHES}{stage.key}")


def name_of(defined: dg.PartitionsDefinition | None) -> str:
    """Dagster's name of partitions that may be added to; empty for others."""
    return defined.name or "" if isinstance(defined, dg.DynamicPartitionsDefinition) else ""


def to_know(assets: Iterable[dg.AssetsDefinition], home: Home) -> dict[str, list[str]]:
    """What Dagster is to know of, by its name of the partitions: batches, seeds that were asked
    for, and of seeds and of what is made on request those of which a partition is there. Whoever
    names a critic in `relabel.critics` asks for its verdicts on `relabel.batches`."""
    warehouse, batches, stated = Warehouse(home.warehouse), batch_names(home), settings().relabel
    seeds: dict[str, set[str]] = {SEED: set(asked_seeds(home)), str(ASKED_SEEDS.name): set()}
    found = {BATCH: batches}
    for spec in (spec for asset in assets for spec in asset.specs):
        key, name = spec.key.to_user_string(), name_of(spec.partitions_def)
        if name in seeds:
            seeds[name] |= seeds_there(warehouse, key)
        elif name == f"{ASKED_BATCHES}{key}":
            there = {*warehouse.partitions(key)}
            if stated.critics and stated.looks_after(key):
                there |= {*matching(batches, stated.batches, family_of(home))}
            found[name] = [batch for batch in batches if batch in there]
    return found | {name: sorted(numbers, key=int) for name, numbers in seeds.items()}
