"""Runs of the command line whose process was killed: Dagster cannot know that they ended."""

import os
from pathlib import Path

import dagster as dg
import psutil

from srft_assets.warehouse.recipe import digest

PROCESS_TAG = "srft/process"
BOOT = Path("/proc/sys/kernel/random/boot_id")
STARTTIME = 19
"""Place in `/proc/<pid>/stat`, counted from behind the name of the program; see proc(5)."""
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
        return f"{pid}:{digest(_start(pid))[:12]}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return ""


def _start(pid: int) -> str | float:
    """When a process began: on Linux by the kernel's own clock, which nobody sets.

    The time of day at which it began, which psutil tells, moves when the clock is set. Raises
    ProcessLookupError for one that ended, though its parent has not taken note (a container
    without an init never does), and what psutil and `open` raise for one that is gone.
    """
    if not BOOT.exists():
        return psutil.Process(pid).create_time()
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    if fields[0] in "ZX":
        raise ProcessLookupError(pid)
    return f"{BOOT.read_text().strip()} {fields[STARTTIME]}"


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
