"""Sensors: runs put into the inbox become batches, and every page says what is in sync."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from srft_assets.components.asset import BATCH, BATCHES, stages_of
from srft_assets.components.checks import IN_SYNC, evaluation, observation
from srft_assets.components.platform import Platform
from srft_assets.components.run_repair import UNFINISHED, close_killed, untold
from srft_assets.defs.jobs import ingest_runs
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.planning import look
from srft_assets.stages import load_stages
from srft_assets.trajectories.batches import batch_names, manifest_digest
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import Item, State, state_of
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Stage

QUIET_SECONDS = 10.0
"""A file that changed more recently may still be on its way in."""

RUN_KEY = "dagster/run_key"
BY_INBOX = {"srft/by": "inbox"}

INGESTED = ("trajectories", "test_outcomes")

AT_ONCE = 200
"""Partitions told of in one tick; the next goes on where it ended."""


@dg.sensor(
    job=ingest_runs,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Each file or folder in the inbox becomes a batch named after it; a changed one "
    "is read again.",
)
def inbox(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Register what lies in the inbox, and ask for a run of each batch that is out of sync."""
    home = platform.home()
    home.inbox.mkdir(parents=True, exist_ok=True)
    assert context.repository_def is not None
    known = stages_of(context.repository_def.assets_defs_by_key.values())
    stages = [known[key] for key in INGESTED]
    busy = under_way(context.instance)
    requests: dict[str, dg.RunRequest] = {}
    for entry in waiting(home.inbox):
        try:
            plan = ingest(home, [str(entry)], partitions=False)
            found = [
                request
                for batch in plan.batches
                if reading(home, batch) not in busy and (request := wanted(home, stages, batch))
            ]
        except SrftError as error:
            context.log.error(f"{entry.name}: {error}")
            continue
        for refusal in plan.refusals if found else ():
            context.log.warning(f"refused: {refusal.line()}")
        requests |= {str(request.partition_key): request for request in found}
    return dg.SensorResult(
        run_requests=list(requests.values()),
        dynamic_partitions_requests=[BATCHES.build_add_request(list(requests))] if requests else [],
        skip_reason=None if requests else f"nothing new in {home.inbox}",
    )


def wanted(home: Home, stages: Sequence[Stage], batch: str) -> dg.RunRequest | None:
    """A run of the batch, unless it is in sync.

    The run key names the runs that made what is there: a file that is changed and then changed
    back is read again, and a run that failed is not tried again until something changes.
    """
    warehouse = Warehouse(home.warehouse)
    if all(state_of(stage, home, warehouse, batch).state is State.IN_SYNC for stage in stages):
        return None
    made = [stamp.run_id for s in stages if (stamp := warehouse.stamp(s.key, batch))]
    return dg.RunRequest(
        run_key=":".join([reading(home, batch), *made]),
        partition_key=batch,
        tags=BY_INBOX,
    )


def reading(home: Home, batch: str) -> str:
    """What a run of the batch reads now; its run key begins with it."""
    return f"{batch}:{manifest_digest(home, batch)}"


def under_way(instance: dg.DagsterInstance) -> set[str]:
    """What runs of this sensor that wait or are going on read: half-way they are out of sync."""
    runs = instance.get_runs(dg.RunsFilter(tags=BY_INBOX, statuses=UNFINISHED))
    return {":".join(run.tags.get(RUN_KEY, "").split(":")[:2]) for run in runs}


def waiting(folder: Path) -> Iterator[Path]:
    """Entries of the inbox that nothing has touched for `QUIET_SECONDS`, by name."""
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith(".") and quiet(entry):
            yield entry


def quiet(entry: Path) -> bool:
    """Whether a file, or all below a folder, has lain untouched for `QUIET_SECONDS`."""
    now = time.time()
    try:
        files = [entry, *entry.rglob("*")] if entry.is_dir() else [entry]
        return all(now - _touched(file) > QUIET_SECONDS for file in files)
    except FileNotFoundError:
        return False


def _touched(file: Path) -> float:
    """When it was written, in seconds; where another clock says so, no later than by ours."""
    state = file.lstat()
    return min(state.st_mtime, state.st_ctime)


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Plans over the whole graph every minute and reports what changed since: the "
    "check `in_sync` of assets, state and reason of partitions, and partitions that Dagster does "
    "not know of because the process that made them was killed, whose run it closes. It starts no "
    "run.",
)
def in_sync(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    """Assets that a run is making are left out until it has ended.

    The cursor holds the partitions that were last told to be out of sync, and what was told.
    """
    home = platform.home()
    close_killed(context.instance, home)
    began, start = datetime.now(UTC), time.perf_counter()
    repository = context.repository_def
    assert repository is not None
    known = {key.to_user_string() for key in repository.assets_defs_by_key}
    seen = look(load_stages(), home)
    busy = being_made(context.instance, repository, began)
    settled = {asset: seen.items[asset] for asset in seen.items if asset in known - busy}
    told: dict[str, str] = json.loads(context.cursor or "{}")
    items = [item for of in settled.values() for item in of]
    changed = [item for item in items if told.get(_name(item), "") != _short(item)][:AT_ONCE]
    told |= {_name(item): _short(item) for item in changed}
    checks = [evaluation(asset, settled[asset], asset in seen.needed) for asset in settled]
    news = [check for check in checks if is_new(context.instance, check)]
    took = f"planned in {time.perf_counter() - start:.2f} s"
    # Those that were ingested without Dagster, or before its instance was made anew.
    batches = sorted(set(batch_names(home)) - {*context.instance.get_dynamic_partitions(BATCH)})
    forgotten = [
        event
        for asset, of in settled.items()
        for event in untold(context.instance, seen.stages[asset], home, in_sync_of(of))
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
        cursor=json.dumps({name: short for name, short in told.items() if short}),
    )


def in_sync_of(items: Sequence[Item]) -> list[str]:
    """Names of the partitions that are in sync."""
    return [item.partition for item in items if item.state is State.IN_SYNC]


def _name(item: Item) -> str:
    return f"{item.asset}/{item.partition}"


def _short(item: Item) -> str:
    """What is told of a partition, as a digest. In sync goes unsaid."""
    return "" if item.state is State.IN_SYNC else digest([item.state, item.why])[:8]


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
        *instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)),
        *instance.get_runs(dg.RunsFilter(updated_after=since)),
    ]
    return {key.to_user_string() for run in runs for key in _assets_of(run, repository)}


def _assets_of(run: dg.DagsterRun, repository: dg.RepositoryDefinition) -> set[dg.AssetKey]:
    if run.asset_selection is not None:
        return set(run.asset_selection)
    if not repository.has_job(run.job_name):
        return set()
    return set(repository.get_job(run.job_name).asset_layer.selected_asset_keys)


defs = dg.Definitions(sensors=[inbox, in_sync])
