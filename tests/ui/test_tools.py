"""Dagster's own tools find the platform too."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from srft_assets.components.launch import open_instance
from srft_assets.components.partitioning import BATCH
from srft_assets.home import CHECKOUT, Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from tests.trajectories.ingest_support import run_of, write_lines

pytestmark = pytest.mark.timeout(600)


def said_by(tool: str, *words: str, environment: dict[str, str]) -> str:
    """What a tool of Dagster prints in the checkout. Fails the test where it fails."""
    done = subprocess.run(
        [Path(sys.executable).parent / tool, *words],
        env={**os.environ, **environment},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_workspace_file_loads_the_same(tmp_path: Path):
    place = {"SRFT_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path)}
    words = ("definitions", "validate", "-w", str(CHECKOUT / "workspace.yaml"))
    assert "srft" in said_by("dagster", *words, environment=place)


def test_dg_finds_nothing_to_say(tmp_path: Path):
    place = {"SRFT_HOME": str(tmp_path), "VIRTUAL_ENV": sys.prefix}
    said_by("dg", "check", "yaml", environment=place)


def test_dg_launches_a_range_of_batches_and_the_run_bears_our_tags(home: Home):
    for batch in ("one", "two"):
        ingest(home, [write_lines(home.root / "sources" / f"{batch}.jsonl", [run_of(batch)])])
    with open_instance(home) as instance:
        instance.add_dynamic_partitions(BATCH, ["one", "two"])
    assets = "trajectories,test_outcomes,step_verdicts/rules"
    words = ("launch", "--assets", assets, "--partition-range", "one...two")
    place = {"SRFT_HOME": str(home.root), "DAGSTER_HOME": str(home.dagster)}
    said_by("dg", *words, environment={**place, "VIRTUAL_ENV": sys.prefix})
    assert Warehouse(home.warehouse).partitions("step_verdicts/rules") == ["one", "two"]
    with open_instance(home) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(tags={"critic": "rules"}))
    assert (run.status, run.tags["family"]) == (dg.DagsterRunStatus.SUCCESS, "critic,runs")
