"""The whole experiment, tiny: killed in the middle, gone on with, reported."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from srft_assets.experiment.bench import Bench
from srft_assets.experiment.data import Data
from srft_assets.experiment.design import ARMS, Form
from srft_assets.experiment.plan import all_places, distinct
from srft_assets.experiment.pool import run_cells
from srft_assets.home import Home
from tests.experiment.conftest import REGIME, RUNS

TINY = Form(seeds=1, tasks=3, runs=RUNS, steps=2, moved=(0.5,), failed_shares=(1.0,))
PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from srft_assets.cli.lab import run
from srft_assets.experiment.design import Form
from tests.experiment.conftest import REGIME
form = Form.model_validate_json(sys.argv[2])
run(Console(), Path(sys.argv[1]), form, REGIME, 2, "srft lab reproduce")
"""


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), TINY.model_dump_json()],
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def cells(folder: Path) -> dict[str, int]:
    found = (folder / "experiment" / "cells").glob("*.json")
    return {path.name: path.stat().st_mtime_ns for path in found}


def wait_for(what, seconds=280):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.2)


@pytest.mark.timeout(900)
def test_killed_in_the_middle_it_goes_on_and_reports(data: Data, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(data.home.root, folder)
    process = start(folder)
    wait_for(lambda: len(cells(folder)) >= 3 or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(one.is_running() for one in workers), 60)
    before = cells(folder)

    printed, _ = start(folder).communicate(timeout=600)
    assert "report.md" in printed, printed
    after = cells(folder)
    assert before.items() <= after.items()
    bench = Bench(Data(Home(folder)), REGIME, TINY)
    assert len(after) == len(distinct(all_places(bench)))
    text = (folder / "report.md").read_text()
    for arm in ("base", *ARMS):
        assert f"| {arm} |" in text
    assert f"{len(after) - len(before)} cells" in text
    for name in ("arms.png", "f1.png", "share.png", "scores.csv", "cells.csv"):
        assert (folder / name).stat().st_size > 500
    scores = pl.read_parquet(folder / "scores.parquet")
    assert set(scores["series"]) == {"steps", "tokens", "f1", "share"}
    assert not (folder / "experiment" / "work").exists()

    again, _ = start(folder).communicate(timeout=300)
    assert cells(folder) == after, again
    assert scores.equals(pl.read_parquet(folder / "scores.parquet"))


def test_a_failing_worker_is_told_in_one_line(data: Data, tmp_path: Path) -> None:
    from srft_assets.errors import SrftError

    (tmp_path / "bench.json").write_text("{}")
    [cell, *_] = distinct(all_places(Bench(data, REGIME, TINY)))
    with pytest.raises(SrftError, match="worker of the experiment failed") as told:
        run_cells([cell], tmp_path / "bench.json", 1, lambda number, news: None)
    assert "\n" not in str(told.value)
