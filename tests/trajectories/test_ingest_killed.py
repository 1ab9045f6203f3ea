"""Ingest that is killed: batches are registered whole or not at all."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from srft_assets.home import Home
from srft_assets.trajectories.batches import manifests, read_manifest
from srft_assets.trajectories.ingest import ingest
from tests.trajectories.ingest_support import content, write_runs

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
    for share in range(4):
        kill_soon(home, folder, (share + moments.random()) / 4)
        for one in manifests(home):
            assert one == read_manifest(calm, one.batch)
    ingest(home, [folder], batch_size=2)
    assert content(home) == content(calm)


def kill_soon(home: Home, folder: Path, after: float) -> None:
    argv = [sys.executable, "-c", INGEST, str(home.root), str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
