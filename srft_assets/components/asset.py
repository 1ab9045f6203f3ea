"""A stage as a Dagster asset: its partitions, its edges, and how a run makes it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from srft_assets.components.metadata import (
    column_lineage,
    kept_metadata,
    made_metadata,
    page_metadata,
    table_schema,
)
from srft_assets.components.partitioning import PARTITIONS, partition_of
from srft_assets.components.platform import Platform, progress_of
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform.ray_engine import make_over_ray, needs
from srft_assets.platform.worker_pool import Asked, Ended, Listener, Making, make_side_by_side
from srft_assets.project.settings import settings
from srft_assets.text import some
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.partitions import ONLY
from srft_assets.warehouse.stage import Progress, Stage, Upstream

STAGE = "srft/stage"
"""Metadata key under which an asset carries its stage, within the process."""

SECONDS = "seconds_to_make"
"""Metadata key: wall time of making and writing one partition."""

ON_REQUEST = "srft/on_request"
"""Tag of assets that are made only when they are named, or needed by what is made."""

CONTROLS = "controls"
"""Group of the arms that are made only when they are named."""

NO_TAG = re.compile(r"[^A-Za-z0-9_.-]")
TAG_CHARS = 63

FAILED = "failed"
"""Metadata key of a step's failure: partition → reason."""

WAITING = "waiting"
"""Likewise, of partitions with which nothing is wrong: the next run goes on with them."""

TOLD_ALREADY = "__source_asset_observation__"
"""Dagster's own key for outputs whose events were logged before. There is no public way to say
that a step made some partitions of its range and not the others."""


def asset_key(stage: str) -> dg.AssetKey:
    """The key of a stage's asset: `masked_tokens/srft` has two parts."""
    return dg.AssetKey(stage.split("/"))


def stages_of(assets: Iterable[dg.AssetsDefinition]) -> dict[str, Stage]:
    """Stage by key, for all assets that were built from one: plan and graph have one source."""
    found = {}
    for asset in assets:
        for spec in asset.specs:
            value = spec.metadata.get(STAGE)
            stage = getattr(value, "instance", value)
            if isinstance(stage, Stage):
                found[stage.key] = stage
    return found


def stages_in(defs: dg.Definitions) -> dict[str, Stage]:
    """Stage by key, for all assets of the definitions."""
    return stages_of(defs.resolve_asset_graph().assets_defs)


def group_of(stage: Stage) -> str:
    """One group for each kind of stage, and one for the controls, so that each folds away."""
    return CONTROLS if stage.tags.get("family") == "control" else stage.key.split("/")[0]


def tags_of(stage: Stage) -> dict[str, str]:
    """What the stage is of."""
    return {name: tag_value(value) for name, value in stage.tags.items()}


def tag_value(text: str) -> str:
    """The text in the characters that Dagster lets a tag have."""
    return NO_TAG.sub("_", text)[:TAG_CHARS]


def dependency(stage: Stage, edge: Upstream) -> dg.AssetDep:
    """The edge with its mapping stated: Dagster's default would silently be identity."""
    mapping: dg.PartitionMapping | None = None
    if edge.mapping == "same":
        mapping = dg.IdentityPartitionMapping()
    elif edge.mapping == "all" or stage.partitioned_by != "none":
        mapping = dg.AllPartitionMapping()
    return dg.AssetDep(asset_key(edge.asset), partition_mapping=mapping)


def build_asset(stage: Stage) -> dg.AssetsDefinition:
    """The asset that makes the stage's partitions, any number of them in one run."""

    @dg.asset(
        key=asset_key(stage.key),
        deps=[dependency(stage, edge) for edge in stage.upstream],
        partitions_def=PARTITIONS[stage.partitioned_by],
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=group_of(stage),
        description=stage.description,
        kinds=set(stage.kinds),
        owners=["team:srft"],
        code_version="-".join(map(str, stage.code.values())),
        pool=stage.pool or None,
        tags=tags_of(stage) | ({ON_REQUEST: "true"} if stage.on_request else {}),
        metadata={
            STAGE: stage,
            "dagster/column_schema": table_schema(stage),
            "dagster/column_lineage": column_lineage(stage),
            **page_metadata(stage, ""),
        },
    )
    def compute(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult]:
        names = [ONLY] if stage.partitioned_by == "none" else context.partition_keys
        tag_run(context, stage)
        made, failed, waiting = _make_all(stage, context, platform, names)
        if made or not (failed or waiting):
            # Pipes wants a result from every asset that opened a session; rows are stored already.
            told = made < len(names)
            yield dg.MaterializeResult(metadata={TOLD_ALREADY: True} if told else None)
        if failed or waiting:
            raise _failure(stage, names, failed, waiting)

    return compute


def tag_run(context: dg.AssetExecutionContext, stage: Stage) -> None:
    """Tag the run with what it makes; where that is of several arms, with all of them."""
    run = context.instance.get_run_by_id(context.run_id)
    has = run.tags if run else {}
    new = {}
    for name, value in tags_of(stage).items():
        known = has[name].split(",") if name in has else []
        if value not in known:
            new[name] = ",".join(sorted([*known, value]))
    if run and new:
        context.instance.add_run_tags(context.run_id, new)


def _make_all(
    stage: Stage, context: dg.AssetExecutionContext, platform: Platform, names: Sequence[str]
) -> tuple[int, dict[str, str], dict[str, str]]:
    """Make the partitions; how many were, and, with the reason, those that failed and that wait.

    One does not stop the others. Batches that were deleted, whose keys Dagster keeps, are left out
    where others are asked for beside them.
    """
    failed: dict[str, str] = {}
    waiting: dict[str, str] = {}
    again = ""
    done: dict[str, dict[str, Any]] = {}
    there = batch_names(platform.home()) if stage.partitioned_by == "batch" else names
    gone = sorted(set(names) - set(there)) if set(names) & set(there) else []
    if gone:
        context.log.info(f"{stage.key}: left out, as there is no such batch: {some(gone)}")
    wanted = [name for name in names if name not in gone]
    beside = _side_by_side(stage, context, platform, wanted)
    here = (_make_one(stage, context, platform, name) for name in wanted)
    try:
        for one in here if beside is None else beside:
            if one.how in ("made", "kept"):
                done[one.name] = _figures(stage, context, platform.home(), one)
            elif one.how == "again":
                again = again or one.why
                if beside is None:  # else the others come to their end first
                    break
            elif one.how == "waits":
                waiting[one.name] = one.why
                context.log.warning(f"{stage.key}/{one.name}: {one.why}")
            else:
                failed[one.name] = one.why
                context.log.error(
                    "\n".join([f"{stage.key}/{one.name}: {one.why}", one.trace]).strip()
                )
        if again:
            raise ConnectionError(again)
    except BaseException as error:
        _tell_of(stage, context, done)
        if end := _end_by(error):
            raise end from error
        raise
    if len(done) < len(names):
        _tell_of(stage, context, done)
    else:
        for name, figures in done.items():
            context.add_asset_metadata(figures, partition_key=partition_of(stage, name))
    return len(done), failed, waiting


def _end_by(error: BaseException) -> dg.RetryRequested | dg.Failure | None:
    """What Dagster is told of an error that ends the making of all partitions; None: the error."""
    if isinstance(error, ConnectionError):
        return dg.RetryRequested(max_retries=3, seconds_to_wait=10)
    if isinstance(error, SrftError):
        return dg.Failure(description=str(error), allow_retries=False)
    return None


def _failure(
    stage: Stage, names: Sequence[str], failed: Mapping[str, str], waiting: Mapping[str, str]
) -> dg.Failure:
    """What the run's page tells at its end; `FAILED` and `WAITING` hold the reasons for programs.

    What waits ends the run, too: nothing behind it may be made from what was there before.
    """
    told = [
        f"{len(reasons)} of {len(names)} partitions of {stage.key} {what}: "
        + "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        for what, reasons in (("failed", failed), ("wait", waiting))
        if reasons
    ]
    by_name = {FAILED: dict(failed), WAITING: dict(waiting)}
    return dg.Failure(
        description="; ".join(told),
        metadata={what: dg.MetadataValue.json(reasons) for what, reasons in by_name.items()},
        allow_retries=False,
    )


def _tell_of(
    stage: Stage, context: dg.AssetExecutionContext, done: Mapping[str, Mapping[str, Any]]
) -> None:
    """Dagster takes note of what a run made only where all of it succeeds."""
    for name, figures in done.items():
        context.log_event(
            dg.AssetMaterialization(
                context.asset_key, partition=partition_of(stage, name), metadata=figures
            )
        )


def _make_one(
    stage: Stage, context: dg.AssetExecutionContext, platform: Platform, name: str
) -> Ended:
    """Make it here, unless it is in sync."""

    def tell(note: str) -> None:
        context.log.warning(f"{stage.key}/{name} {note}")
        progress_of(context.log).report(f"{stage.key} {name}", 0, 0, note)

    making = Making(platform.home(), stage, platform.force, tell)
    return making.ended(name, lambda recipe: platform.work(context, name, recipe))


def _side_by_side(
    stage: Stage,
    context: dg.AssetExecutionContext,
    platform: Platform,
    names: Sequence[str],
) -> Iterator[Ended] | None:
    """Make them in processes of their own, here or on nodes of a Ray cluster; None where they are
    made one after the other."""
    asked, now = Asked(stage.key, context.run_id, platform.force), settings()
    heard = _Heard(context, progress_of(context.log))
    needed = needs(stage, now.ray) if now.engine == "ray" else None
    if needed is not None:
        return _counted(make_over_ray(asked, names, needed, now.ray, heard), heard, stage, names)
    if stage.apart and now.jobs > 1 and len(names) > 1:
        return _counted(make_side_by_side(asked, names, now.jobs, heard), heard, stage, names)
    return None


def _counted(
    made: Iterator[Ended], heard: Listener, stage: Stage, names: Sequence[str]
) -> Iterator[Ended]:
    """The partitions, while the progress says how many have ended."""
    for ended, one in enumerate(made, start=1):
        heard.report(f"{stage.key}: partitions", ended, len(names))
        yield one


@dataclass(frozen=True)
class _Heard:
    """What workers say, in the log of the run and on its progress."""

    context: dg.AssetExecutionContext
    progress: Progress

    def log(self, level: int, line: str) -> None:
        """A line of the log."""
        self.context.log.log(level, line)

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """How far something is."""
        self.progress.report(label, done, total, note)


def _figures(
    stage: Stage, context: dg.AssetExecutionContext, home: Home, one: Ended
) -> dict[str, Any]:
    """What the page of a partition shows."""
    if one.made is None or one.stamp is None:
        context.log.info(f"{stage.key}/{one.name} is in sync: kept")
        return kept_metadata(stage, home, one.name) | page_metadata(stage, one.name)
    for refusal in one.stamp.refused[:20]:
        context.log.warning(f"refused: {refusal.line()}")
    figures = made_metadata(stage, one.made, one.stamp) | page_metadata(stage, one.name)
    return figures | {SECONDS: one.seconds}
