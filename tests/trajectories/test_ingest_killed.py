"""Ingest that is killed: manifests are whole or absent."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from srft_assets.home import Home
from srft_assets.trajectories.batches import (
    manifests,
)
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.manifest import read_manifest
from tests.trajectories.ingest_support import write_runs


def content(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.batches.glob("*.json")}


def places(home: Home) -> dict[str, str]:
    """Run file, or file and rows → batch."""
    return {item.label: one.batch for one in manifests(home) for item in one.items}


INGEST = """
import sys
from pathlib import Path
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
print("ready", flush=True)
ingest(Home(Path(sys.argv[1])), [sys.argv[2]], batch_size=2)
"""


def test_killed_at_random_moments_ingest_loses_and_doubles_nothing(home, tmp_path):
    names = [f"t{number:02}" for number in range(40)]
    folder = write_runs(tmp_path / "runs", names)
    calm = Home(tmp_path / "calm")
    ingest(calm, [folder], batch_size=2)
    moments = random.Random(7)
    for _ in range(4):
        kill_soon(home, folder, moments.uniform(0.0, 0.05))
        for one in manifests(home):
            assert one == read_manifest(calm, one.batch)
    ingest(home, [folder], batch_size=2)
    assert content(home) == content(calm)
    assert not list(home.batches.glob(".*.tmp"))


def kill_soon(home: Home, folder: Path, after: float) -> None:
    argv = [sys.executable, "-c", INGEST, str(home.root), str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
