"""The command line as a user runs it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from srft_assets.home import Home
from srft_assets.trajectories.batches import manifests
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse, data_version, read_stamp
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Stage

PROGRAM = [sys.executable, "-c", "from srft_assets.cli import main; main()"]
"""What `srft` is."""


def start(home: Home, *words: str) -> subprocess.Popen:
    """`srft …` on this platform, in a process group of its own, output together."""
    return subprocess.Popen(
        [*PROGRAM, *words],
        env={**os.environ, "SRFT_HOME": str(home.root), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def srft(home: Home, *words: str) -> str:
    """Run `srft …` to its end; what it printed. Fails the test where it exits with an error."""
    process = start(home, *words)
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    return printed


def state(home: Home) -> dict[str, Any]:
    """All that must not depend on how often a command was killed.

    Partitions by `asset/name`: data version, rows, fingerprint, refusals; batches by name: their
    manifests.
    """
    partitions = {
        str(path.relative_to(home.warehouse)): (
            stamp.data_version,
            stamp.rows,
            stamp.fingerprint,
            stamp.refused,
        )
        for path in sorted(home.warehouse.rglob("*.parquet"))
        if (stamp := read_stamp(path)) is not None
    }
    return partitions | {one.batch: one for one in manifests(home)}


def files(home: Home) -> set[tuple[str, int]]:
    """Every file with its time: another set means that something was written."""
    found = set()
    for folder, _, names in os.walk(home.root):
        for name in names:
            path = Path(folder) / name
            found |= {(str(path), path.lstat().st_mtime_ns)} if path.exists() else set()
    return found


def unfinished(home: Home) -> list[dg.DagsterRun]:
    """Runs that Dagster believes to be going on, while nothing is."""
    ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        return [run for run in instance.get_runs() if run.status not in ended]


MADE_AT = "2026-01-01T00:00:00.000+00:00"


def put(home: Home, stage: Stage, frame: pl.DataFrame, recipe: Recipe, partition: str = ONLY):
    """Write a partition as if the stage had made it from `recipe`."""
    stamp = Stamp(recipe, recipe.fingerprint, data_version(frame), frame.height, "test", MADE_AT)
    Warehouse(home.warehouse).write(stage.key, partition, frame, stamp)
