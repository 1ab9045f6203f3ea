"""What killed processes left in Dagster: open runs, taken slots, partitions it does not know of.

A run of the command line holds a lock of its own while it is open; see `srft_assets.instance`.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from srft_assets.components.asset import asset_key
from srft_assets.components.metadata import kept_metadata
from srft_assets.components.partitioning import partition_of
from srft_assets.home import Home
from srft_assets.instance import is_free, lock_of_run, locks_of_killed
from srft_assets.processes.locks import exclusive, holder_of
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Stage

BY_COMMAND = {"srft/by": "cli"}
LOCK_TAG = "srft/lock"
"""Tag of a command's run: the name of its lock."""
LOOK_SECONDS = 3.0
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
START_SECONDS = 600.0
"""A run that was asked for and not started within so long will never be: whoever was to start it
was killed."""


def open_runs(instance: dg.DagsterInstance, **wanted: Any) -> list[dg.DagsterRun]:
    """Runs that wait or are going on; `wanted` are fields of a RunsFilter."""
    records = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED, **wanted))
    since = datetime.now(UTC).timestamp() - START_SECONDS
    return [
        record.dagster_run
        for record in records
        if record.dagster_run.status is not dg.DagsterRunStatus.NOT_STARTED
        or record.create_timestamp.timestamp() > since
    ]


@contextmanager
def locked_run(home: Home) -> Iterator[dict[str, str]]:
    """Hold the lock of one run of this process; yields the tags of that run."""
    name = f"{os.getpid()}-{uuid4().hex[:12]}"
    path = lock_of_run(home, name)
    with exclusive(path):
        try:
            yield {**BY_COMMAND, LOCK_TAG: name}
        finally:
            path.unlink(missing_ok=True)


def close_killed(instance: dg.DagsterInstance, home: Home) -> int:
    """Mark runs of killed commands as failed; returns how many there were."""
    left = locks_of_killed(home)
    open_runs = instance.get_runs(dg.RunsFilter(tags=BY_COMMAND, statuses=UNFINISHED))
    freed = [run.run_id for run in open_runs if is_free(_lock_of(home, run))]
    # Those that ended by themselves between the two looks are finished now.
    killed = instance.get_runs(dg.RunsFilter(freed, statuses=UNFINISHED)) if freed else []
    for run in killed:
        instance.report_run_failed(run, message="The srft process that made this run was killed.")
    for path in left:
        with exclusive(path, wait=False) as free:
            if free:  # and not of one that had just made the file, and holds it now
                path.unlink(missing_ok=True)
    return len(killed)


def _lock_of(home: Home, run: dg.DagsterRun) -> Path:
    return lock_of_run(home, run.tags.get(LOCK_TAG, run.run_id))


def free_left(instance: dg.DagsterInstance, home: Home) -> None:
    """Close what killed commands left, and free the slots of runs that Dagster saw no end of."""
    close_killed(instance, home)
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


@contextmanager
def looked_after(
    instance: dg.DagsterInstance, home: Home, tags: Mapping[str, str], tell: Callable[[str], None]
) -> Iterator[None]:
    """While the run of these tags waits for a slot of a pool, tell for whom, and free what the
    dead left."""
    over = threading.Event()

    def look() -> None:
        told = ""
        while not over.wait(LOOK_SECONDS):
            holder = _holder(instance, home, tags[LOCK_TAG])
            if holder:
                free_left(instance, home)
                if holder != told:
                    tell(f"waits for {holder}")
            told = holder

    thread = threading.Thread(target=look, name="pool slots", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _holder(instance: dg.DagsterInstance, home: Home, lock: str) -> str:
    """Who holds the slot that the run of this lock waits for; empty where it waits for none."""
    storage = instance.event_log_storage
    for key in storage.get_concurrency_keys():
        pool = storage.get_concurrency_info(key)
        waiting = [step for step in pool.pending_steps if step.assigned_timestamp is None]
        if any(_tag(instance, step.run_id) == lock for step in waiting):
            for slot in pool.claimed_slots:
                its = _tag(instance, slot.run_id)
                named = holder_of(lock_of_run(home, its)) if its else f"run {slot.run_id[:8]}"
                return f"{named}, which holds the pool {key}"
    return ""


def _tag(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    return run.tags.get(LOCK_TAG, "") if run else ""


def untold(
    instance: dg.DagsterInstance, stage: Stage, home: Home, names: Collection[str]
) -> list[dg.AssetMaterialization]:
    """Events for those of the partitions that are there and that Dagster takes for missing.

    A killed process told of nothing that it made, and an instance that was made anew forgot.
    """
    key = asset_key(stage.key)
    if stage.partitioned_by == "none":
        known = set(names) if instance.get_latest_materialization_event(key) else set()
    else:
        known = instance.get_materialized_partitions(key)
    there = Warehouse(home.warehouse).partitions(stage.key)
    return [
        dg.AssetMaterialization(
            key,
            partition=partition_of(stage, name),
            metadata=kept_metadata(stage, home, name),
        )
        for name in sorted(set(names).intersection(there) - known)
    ]
