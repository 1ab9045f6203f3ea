"""The Dagster instance as the command line opens it."""

import tempfile
from pathlib import Path

import dagster as dg
import yaml

from srft_assets.warehouse.placing import place

SETTINGS = "dagster.yaml"
OURS = ".srft-cli.yaml"
DATABASES = ("history", "schedules")
"""Folders of the instance's SQLite databases."""
NO_CAPTURE = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}


def instance_in(folder: Path) -> dg.DagsterInstance:
    """The instance of `folder`, without the capture of standard output unless it is stated.

    Capture starts four processes a run, costs 0.2 s of it, and comes between the progress bars
    and the terminal; the output of subprocesses is in the event log anyway.
    """
    stated = yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8")) or {}
    content = yaml.safe_dump({"compute_logs": NO_CAPTURE, **stated}).encode()
    ours = folder / OURS
    if not ours.exists() or ours.read_bytes() != content:
        place(ours, content)
    if "storage" not in stated:
        _make_databases(folder, content)
    return dg.DagsterInstance.from_config(str(folder), OURS)


def _make_databases(folder: Path, settings: bytes) -> None:
    """Put Dagster's SQLite databases in place whole, where they are absent.

    Dagster makes their tables one by one: killed in between, it never makes the rest.
    """
    absent = [name for name in DATABASES if not (folder / name).exists()]
    if not absent:
        return
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as beside:
        (Path(beside) / OURS).write_bytes(settings)
        with dg.DagsterInstance.from_config(beside, OURS) as instance:
            instance.get_runs(limit=1)
            instance.get_dynamic_partitions("batch")
            instance.all_instigator_state()
        for name in absent:
            _put(Path(beside) / name, folder / name)


def _put(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not target.exists():  # where it does, another process was first
            raise
