"""Sensor: says on every asset's page whether it is in sync, and on a partition's page why not."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from srft_assets.components.in_sync import IN_SYNC, evaluation, observation
from srft_assets.components.partitions import BATCHES
from srft_assets.components.platform import Platform
from srft_assets.components.untold import untold
from srft_assets.planning import look
from srft_assets.stages import load_stages
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.plan import Item, State
from srft_assets.warehouse.recipe import digest

AT_ONCE = 200
"""Partitions told of in one tick; the next goes on where it ended."""
UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""A queued run counts: its check would stand behind one that is told before it runs."""

Told = dict[str, dict[str, str]]
"""By asset, partitions that were last told to be out of sync → digest of what was told."""


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Plans over the whole graph every minute and reports what changed since: the "
    "check `in_sync` of assets, state and reason of partitions, and partitions that Dagster does "
    "not know of because the process that made them was killed. It starts no run.",
)
def in_sync(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    """Assets that a run is making are left out until it has ended."""
    began, start = datetime.now(UTC), time.perf_counter()
    repository = context.repository_def
    assert repository is not None
    known = {key.to_user_string() for key in repository.assets_defs_by_key}
    seen = look(load_stages(), platform.home())
    busy = being_made(context.instance, repository, began)
    settled = {asset: seen.items[asset] for asset in seen.items if asset in known - busy}
    told: Told = json.loads(context.cursor or "{}")
    changed = list(changes(settled, told))[:AT_ONCE]
    for item in changed:
        _note(told, item)
    checks = [evaluation(asset, settled[asset], asset in seen.needed) for asset in settled]
    news = [check for check in checks if is_new(context.instance, check)]
    took = f"planned in {time.perf_counter() - start:.2f} s"
    batches = unknown_batches(context.instance, platform)
    forgotten = [
        event
        for asset, items in settled.items()
        for event in untold(
            context.instance, seen.stages[asset], platform.home(), in_sync_of(items)
        )
    ][:AT_ONCE]
    if not changed and not news and not batches and not forgotten:
        return dg.SkipReason(f"nothing changed; {took}")
    told_of = f"told of {len(news)} assets and {len(changed)} partitions"
    return dg.SensorResult(
        skip_reason=f"no run needed; {told_of}; {took}",
        asset_events=[
            *forgotten,
            *news,
            *(observation(item, seen.stages[item.asset]) for item in changed),
        ],
        dynamic_partitions_requests=[BATCHES.build_add_request(batches)] if batches else [],
        cursor=json.dumps(told, sort_keys=True),
    )


def in_sync_of(items: Sequence[Item]) -> list[str]:
    """Names of the partitions that are in sync."""
    return [item.partition for item in items if item.state is State.IN_SYNC]


def unknown_batches(instance: dg.DagsterInstance, platform: Platform) -> list[str]:
    """Batches that were ingested without Dagster, or before its instance was made anew."""
    known = instance.get_dynamic_partitions(BATCHES.name or "batch")
    return [batch for batch in batch_names(platform.home()) if batch not in known]


def changes(items: Mapping[str, list[Item]], told: Told) -> Iterator[Item]:
    """Partitions of which another thing is to be told than last time. In sync goes unsaid."""
    for asset, partitions in items.items():
        for item in partitions:
            before = told.get(asset, {}).get(item.partition)
            if before != (None if item.state is State.IN_SYNC else _short(item)):
                yield item


def _note(told: Told, item: Item) -> None:
    of = told.setdefault(item.asset, {})
    if item.state is State.IN_SYNC:
        of.pop(item.partition, None)
    else:
        of[item.partition] = _short(item)
    if not of:
        del told[item.asset]


def _short(item: Item) -> str:
    return digest([item.state, item.why])[:8]


def is_new(instance: dg.DagsterInstance, told: dg.AssetCheckEvaluation) -> bool:
    """Whether the check's page says something else by now."""
    key = dg.AssetCheckKey(told.asset_key, IN_SYNC)
    record = instance.get_latest_asset_check_evaluation_record(key)
    event = record.event.dagster_event if record and record.event else None
    last = event.event_specific_data if event else None
    if not isinstance(last, dg.AssetCheckEvaluation):
        return True
    seen = (last.passed, last.description, last.metadata)
    return seen != (told.passed, told.description, told.metadata)


def being_made(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, since: datetime
) -> set[str]:
    """Assets of runs that wait or are going on, or that did so at any time after `since`."""
    runs = [
        *instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)),
        *instance.get_runs(dg.RunsFilter(updated_after=since)),
    ]
    return {key.to_user_string() for run in runs for key in _assets_of(run, repository)}


def _assets_of(run: dg.DagsterRun, repository: dg.RepositoryDefinition) -> set[dg.AssetKey]:
    if run.asset_selection is not None:
        return set(run.asset_selection)
    if not repository.has_job(run.job_name):
        return set()
    return set(repository.get_job(run.job_name).asset_layer.selected_asset_keys)


defs = dg.Definitions(sensors=[in_sync])
