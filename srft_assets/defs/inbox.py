"""Sensor: runs put into the inbox folder become batches."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from srft_assets.components.partitions import BATCHES
from srft_assets.components.platform import Platform
from srft_assets.defs.jobs import ingest_runs
from srft_assets.errors import SrftError
from srft_assets.trajectories.batches import manifest_digest
from srft_assets.trajectories.ingest import ingest

QUIET_SECONDS = 10.0
"""A file that changed more recently may still be on its way in."""


@dg.sensor(
    job=ingest_runs,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Each file or folder in the inbox becomes a batch named after it; a changed one "
    "is read again.",
)
def inbox(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Register what lies in the inbox, and ask for a run of each batch that is new or changed."""
    home = platform.home()
    home.inbox.mkdir(parents=True, exist_ok=True)
    requests = []
    for entry in waiting(home.inbox):
        try:
            plan = ingest(home, [str(entry)], batch=None)
        except SrftError as error:
            context.log.error(f"{entry.name}: {error}")
            continue
        for refusal in plan.refusals:
            context.log.warning(f"refused: {refusal.line()}")
        requests += [
            dg.RunRequest(
                run_key=f"{batch}:{manifest_digest(home, batch)}",
                partition_key=batch,
                tags={"srft/by": "inbox"},
            )
            for batch in plan.batches
        ]
    known = [request.partition_key for request in requests if request.partition_key]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[BATCHES.build_add_request(known)] if known else [],
        skip_reason=None if requests else f"nothing in {home.inbox}",
    )


def waiting(folder: Path) -> Iterator[Path]:
    """Entries of the inbox that nothing has touched for `QUIET_SECONDS`, by name."""
    now = time.time()
    for entry in sorted(folder.iterdir()):
        files = [entry, *entry.rglob("*")] if entry.is_dir() else [entry]
        if not entry.name.startswith(".") and all(
            now - file.lstat().st_mtime > QUIET_SECONDS for file in files
        ):
            yield entry


defs = dg.Definitions(sensors=[inbox])
