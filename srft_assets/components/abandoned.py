"""Runs of the command line whose process was killed: Dagster cannot know that they ended."""

import os

import dagster as dg
import psutil

from srft_assets.warehouse.recipe import digest

PROCESS_TAG = "srft/process"
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def process_tags() -> dict[str, str]:
    """Tags of a run in this process, by which a later one can tell that it is gone."""
    return {"srft/by": "cli", PROCESS_TAG: process_name(os.getpid())}


def process_name(pid: int) -> str:
    """`pid:digest of its start`, so that a reused pid is another process; "" where it is gone."""
    try:
        return f"{pid}:{digest(psutil.Process(pid).create_time())[:12]}"
    except psutil.NoSuchProcess:
        return ""


def close_abandoned(instance: dg.DagsterInstance) -> int:
    """Mark runs of killed command-line processes as failed; returns how many there were."""
    runs = instance.get_runs(dg.RunsFilter(tags={"srft/by": "cli"}, statuses=UNFINISHED))
    gone = [run for run in runs if not _alive(run.tags.get(PROCESS_TAG, ""))]
    for run in gone:
        instance.report_run_failed(run, message="The srft process that made this run was killed.")
    return len(gone)


def _alive(name: str) -> bool:
    pid = name.partition(":")[0]
    return pid.isdigit() and process_name(int(pid)) == name
