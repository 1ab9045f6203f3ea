"""A stage as a Dagster asset."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from srft_assets.components.metadata import (
    column_lineage,
    kept_metadata,
    made_metadata,
    table_schema,
)
from srft_assets.components.partitions import dependency, partitions_def
from srft_assets.components.platform import Platform
from srft_assets.components.progress import progress_of
from srft_assets.errors import SrftError
from srft_assets.warehouse.making import make_partition, recipe_of
from srft_assets.warehouse.pinned import InputChangedError
from srft_assets.warehouse.plan import in_sync
from srft_assets.warehouse.stage import Made, Stage
from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import ONLY
from srft_assets.warehouse.turn import turn

STAGE = "srft/stage"
"""Metadata key under which an asset carries its stage, within the process."""

SECONDS = "seconds_to_make"
"""Metadata key: wall time of making and writing one partition."""

ON_REQUEST = "srft/on_request"
"""Tag of assets that are made only when they are named, or needed by what is made."""

TRANSIENT = (ConnectionError, TimeoutError)
"""Errors that another try may mend. Everything else fails at once."""


def build_asset(
    stage: Stage,
    schemas: Mapping[str, pl.Schema] | None = None,
    *,
    pool: str | None = None,
    owners: Sequence[str] = ("team:srft",),
) -> dg.AssetsDefinition:
    """The asset that makes the stage's partitions, any number of them in one run."""

    @dg.asset(
        key=stage.key.split("/"),
        deps=[dependency(stage, edge) for edge in stage.upstream],
        partitions_def=partitions_def(stage.partitioned_by),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=stage.key.split("/")[0],
        description=stage.description,
        kinds=set(stage.kinds),
        owners=list(owners),
        code_version="-".join(map(str, stage.code.values())),
        pool=pool,
        tags={ON_REQUEST: "true"} if stage.on_request else {},
        metadata={
            STAGE: stage,
            "dagster/column_schema": table_schema(stage),
            "dagster/column_lineage": column_lineage(stage, schemas or {}),
        },
    )
    def compute(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        names = [ONLY] if stage.partitioned_by == "none" else context.partition_keys
        _make_all(stage, context, platform, names)
        # Pipes wants a result from every asset that opened a session; rows are stored already.
        return dg.MaterializeResult()

    return compute


def _make_all(
    stage: Stage, context: dg.AssetExecutionContext, platform: Platform, names: Sequence[str]
) -> None:
    failed: dict[str, str] = {}
    done: dict[str, dict[str, Any]] = {}
    try:
        for name in names:
            try:
                done[name] = _make_one(stage, context, platform, name)
                partition = None if stage.partitioned_by == "none" else name
                context.add_asset_metadata(done[name], partition_key=partition)
            except SrftError as error:
                failed[name] = str(error)
                context.log.error(f"{stage.key}/{name}: {error}")
    except BaseException as error:
        _tell_of(stage, context, done)
        if isinstance(error, TRANSIENT):
            raise dg.RetryRequested(max_retries=3, seconds_to_wait=10) from error
        raise
    if failed:
        _tell_of(stage, context, done)
        told = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise dg.Failure(
            description=f"{len(failed)} of {len(names)} partitions of {stage.key} failed: {told}",
            allow_retries=False,
        )


def _tell_of(
    stage: Stage, context: dg.AssetExecutionContext, done: Mapping[str, Mapping[str, Any]]
) -> None:
    """Dagster takes note of what a run made only where all of it succeeds."""
    for name, figures in done.items():
        partition = None if stage.partitioned_by == "none" else name
        context.log_event(
            dg.AssetMaterialization(context.asset_key, partition=partition, metadata=figures)
        )


def _make_one(
    stage: Stage, context: dg.AssetExecutionContext, platform: Platform, name: str
) -> dict[str, Any]:
    """Make it, unless it is in sync; what the page of the partition shows."""
    home = platform.home()

    def tell(note: str) -> None:
        context.log.warning(f"{stage.key}/{name} {note}")
        progress_of(context.log).report(f"{stage.key} {name}", 0, 0, note)

    with turn(home, stage.key, name, tell):
        start = time.perf_counter()
        if not platform.force and in_sync(stage, home, name):
            context.log.info(f"{stage.key}/{name} is in sync: kept")
            return kept_metadata(stage, home, name)
        made, stamp = _made(stage, context, platform, name)
    figures = made_metadata(stage, made, stamp) | {SECONDS: time.perf_counter() - start}
    for refusal in stamp.refused[:20]:
        context.log.warning(f"refused: {refusal.line()}")
    return figures


def _made(
    stage: Stage, context: dg.AssetExecutionContext, platform: Platform, name: str
) -> tuple[Made, Stamp]:
    """Make it from its inputs of now: again where one of them was made anew meanwhile."""
    while True:
        recipe = recipe_of(stage, platform.home(), platform.warehouse(), name)
        try:
            return make_partition(stage, platform.work(context, name, recipe))
        except InputChangedError as error:
            context.log.warning(f"{error}: again")
