"""Sensor: runs put into the inbox folder become batches."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from srft_assets.components.partitions import BATCHES
from srft_assets.components.platform import Platform
from srft_assets.components.stages import stages_of
from srft_assets.defs.in_sync import UNDER_WAY
from srft_assets.defs.jobs import ingest_runs
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.trajectories.batches import manifest_digest
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.plan import State, state_of
from srft_assets.warehouse.stage import Stage
from srft_assets.warehouse.store import Warehouse

QUIET_SECONDS = 10.0
"""A file that changed more recently may still be on its way in."""

RUN_KEY = "dagster/run_key"
BY_INBOX = {"srft/by": "inbox"}

INGESTED = ("trajectories", "test_outcomes")


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
    runs = instance.get_runs(dg.RunsFilter(tags=BY_INBOX, statuses=UNDER_WAY))
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


defs = dg.Definitions(sensors=[inbox])
