"""Sensors: runs put into the inbox become batches, and every page says what is in sync."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from srft_assets.components.asset import stages_of
from srft_assets.components.checks import IN_SYNC, evaluation, observation
from srft_assets.components.partitioning import BATCHES, to_know
from srft_assets.components.platform import Platform
from srft_assets.components.run_repair import close_killed, open_runs, untold
from srft_assets.defs.jobs import ingest_runs
from srft_assets.errors import Refusal, SrftError
from srft_assets.files import clock_of
from srft_assets.home import Home
from srft_assets.platform.planning import look
from srft_assets.platform.stages import load_stages
from srft_assets.trajectories.batches import manifest_digest
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import Item, State, state_of
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Stage

QUIET_SECONDS = 10.0
"""A file that changed more recently may still be on its way in."""

RUN_KEY = "dagster/run_key"
BY_INBOX = {"srft/by": "inbox"}

INGESTED = ("trajectories", "test_outcomes", "integrity")

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
    """Register what lies in the inbox, and ask for a run of each batch that is out of sync.

    A tick that asks for nothing says why, entry by entry.
    """
    home = platform.home()
    home.inbox.mkdir(parents=True, exist_ok=True)
    assert context.repository_def is not None
    known = stages_of(context.repository_def.assets_defs_by_key.values())
    look = _Inbox(home, context.instance, [known[key] for key in INGESTED])
    for entry in sorted(home.inbox.iterdir()):
        if entry.name.startswith("."):
            continue
        try:
            refusals = look.at(entry)
        except (SrftError, OSError) as error:
            context.log.error(f"{entry.name}: {error}")
            look.idle.append(f"{entry.name}: {error}")
            continue
        for refusal in refusals:
            context.log.warning(f"refused: {refusal.line()}")
    asked = list(look.asked.values())
    return dg.SensorResult(
        run_requests=asked,
        dynamic_partitions_requests=[BATCHES.build_add_request(list(look.asked))] if asked else [],
        skip_reason=None if asked else "; ".join(look.idle) or f"nothing new in {home.inbox}",
    )


class _Inbox:
    """One tick: runs that are asked for, by batch, and why none is of the others."""

    def __init__(self, home: Home, instance: dg.DagsterInstance, stages: Sequence[Stage]) -> None:
        self.home, self.instance, self.stages = home, instance, stages
        self.busy = {_begun(run) for run in open_runs(instance, tags=BY_INBOX)}
        self.asked: dict[str, dg.RunRequest] = {}
        self.idle: list[str] = []

    def at(self, entry: Path) -> tuple[Refusal, ...]:
        """Ask for what an entry needs; what of it was refused, where anything is asked for."""
        if entry.is_symlink() and entry.is_dir():
            told = "a link to a folder, not followed: put the folder here, or srft ingest"
            self.idle.append(f"{entry.name} is {told} {entry.resolve()}")
            return ()
        if not quiet(entry):
            told = f"{entry.name} changed less than {QUIET_SECONDS:.0f} s ago: it waits"
            self.idle.append(told)
            return ()
        plan = ingest(self.home, [str(entry)], partitions=False)
        if not plan.batches:
            first = plan.refusals[0].line() if plan.refusals else "nothing is in it"
            self.idle.append(f"{entry.name} holds no runs ({first})")
        asked = [batch for batch in plan.batches if self._ask(batch, entry)]
        return plan.refusals if asked else ()

    def _ask(self, batch: str, entry: Path) -> bool:
        """Ask for a run of the batch, unless it is in sync, under way, or failed as it is now.

        The run key names the runs that made what is there and, where something is not there, the
        last one of this sensor that succeeded: a file that is changed and then changed back is
        read again, and so is one whose partitions were lost; a run that failed is not tried again
        until something changes, as Dagster starts nothing for a key that it knows.
        """
        warehouse = Warehouse(self.home.warehouse)
        states = (state_of(stage, self.home, warehouse, batch).state for stage in self.stages)
        if all(state is State.IN_SYNC for state in states):
            return False
        content = f"{batch}:{manifest_digest(self.home, batch)}"
        if content in self.busy:
            self.idle.append(f"{batch} is being read")
            return False
        stamps = [warehouse.stamp(stage.key, batch) for stage in self.stages]
        made = [stamp.run_id for stamp in stamps if stamp]
        tags = {**BY_INBOX, "dagster/partition": batch}
        done = dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS])
        if len(made) < len(stamps):
            made += [run.run_id for run in self.instance.get_runs(done, limit=1)]
        key = ":".join([content, *made])
        for run in self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY: key}), limit=1):
            if run.is_finished:
                told = f"{batch}: run {run.run_id[:8]} of it failed, and nothing changed since"
                told += f"; once its reason is mended: srft ingest {entry}"
                if run.status is dg.DagsterRunStatus.SUCCESS:
                    told = f"{batch}: made by newer code than this srft dev runs: start it again"
                self.idle.append(told)
                return False
        self.asked[batch] = dg.RunRequest(run_key=key, partition_key=batch, tags=BY_INBOX)
        return True


def _begun(run: dg.DagsterRun) -> str:
    """What a run of this sensor reads; its run key begins with it."""
    return ":".join(run.tags.get(RUN_KEY, "").split(":")[:2])


def quiet(entry: Path) -> bool:
    """Whether a file, or all below a folder, has lain untouched for `QUIET_SECONDS`.

    By the clock of the folder, which several machines may share. A time in the future is of another
    clock, and no sign that the file is being written.
    """
    now = clock_of(entry.parent)
    try:
        return not any(0 <= now - _touched(file) <= QUIET_SECONDS for file in _below(entry))
    except FileNotFoundError:
        return False


def _below(entry: Path) -> Iterator[Path]:
    """An entry and all in it, however deep; links are not followed. What cannot be listed is left
    to ingest, which says why."""
    waiting = [entry]
    while waiting:
        yield (one := waiting.pop())
        with suppress(NotADirectoryError, PermissionError):
            if not one.is_symlink():
                waiting.extend(one.iterdir())


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
    told = remembered(context.cursor)
    items = [item for of in settled.values() for item in of]
    changed = [item for item in items if told.get(_name(item), "") != _short(item)][:AT_ONCE]
    told |= {_name(item): _short(item) for item in changed}
    checks = [evaluation(asset, settled[asset], asset in seen.needed) for asset in settled]
    news = [check for check in checks if is_new(context.instance, check)]
    took = f"planned in {time.perf_counter() - start:.2f} s"
    forgotten = [
        event
        for asset, of in settled.items()
        for event in untold(context.instance, seen.stages[asset], home, in_sync_of(of))
    ][:AT_ONCE]
    # Those that were ingested without Dagster, or before its instance was made anew, as well.
    unknown = {}
    for kind, names in to_know(repository.assets_defs_by_key.values(), home).items():
        known_names = {*context.instance.get_dynamic_partitions(kind)}
        unknown[kind] = [name for name in names if name not in known_names]
    if not changed and not news and not any(unknown.values()) and not forgotten:
        return dg.SkipReason(f"nothing changed; {took}")
    told_of = f"told of {len(news)} assets and {len(changed)} partitions"
    return dg.SensorResult(
        skip_reason=f"no run needed; {told_of}; {took}",
        asset_events=[
            *forgotten,
            *news,
            *(observation(item, seen.stages[item.asset]) for item in changed),
        ],
        dynamic_partitions_requests=[
            dg.AddDynamicPartitionsRequest(kind, names) for kind, names in unknown.items() if names
        ],
        cursor=json.dumps({name: short for name, short in told.items() if short}),
    )


def remembered(cursor: str | None) -> dict[str, str]:
    """What was told of partitions, by name. A cursor of somebody else counts as none."""
    with suppress(ValueError):
        told = json.loads(cursor or "{}")
        if isinstance(told, dict) and all(isinstance(short, str) for short in told.values()):
            return told
    return {}


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
        *open_runs(instance),
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
