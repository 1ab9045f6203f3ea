"""The Dagster instance as the command line opens it."""

from pathlib import Path

import dagster as dg
import yaml

from srft_assets.warehouse.placing import place

SETTINGS = "dagster.yaml"
OURS = ".srft-cli.yaml"
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
    return dg.DagsterInstance.from_config(str(folder), OURS)
