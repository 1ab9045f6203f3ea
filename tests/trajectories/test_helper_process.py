"""Two processes read a large batch, and nobody can tell from what comes out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from srft_assets.home import Home
from srft_assets.trajectories import helper, part
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.manifest import read_manifest
from srft_assets.warehouse.store import data_version
from tests.trajectories.ingest_support import make, run_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def two():
    """The second process, ready, for batches of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helper, "LARGE_BYTES", 0)
        patch.setattr(helper, "_cores", lambda: 2)
        deadline = time.monotonic() + 60
        while helper.helper(1) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert helper.helper(1) is not None
        yield helper
        helper.end_helper()


def lines(path: Path) -> Path:
    """Runs, some of them twice and across the cut, and lines that are refused."""
    rows = [json.dumps(run_of(f"task-{n % 7}", turns=n % 5 + 1)) for n in range(40)]
    rows[3], rows[30], rows[35] = "{torn", "", '{"messages": 3}'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return path


def files(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(15):
        (folder / f"{n:02}.json").write_text(json.dumps(run_of(f"task-{n % 6}", turns=n % 3 + 1)))
    return folder


@pytest.mark.parametrize(("source", "name"), [(lines, "runs.jsonl"), (files, "runs")])
def test_rows_and_refusals_are_those_of_one_process(two, tmp_path, monkeypatch, source, name):
    path = source(tmp_path / "source" / name)
    together, alone = Home(tmp_path / "together"), Home(tmp_path / "alone")
    for home in (together, alone):
        ingest(home, [path], batch="b")
    asked = []
    monkeypatch.setattr(
        part, "_fetched", lambda *a, real=part._fetched: asked.append(1) or real(*a)
    )
    frame, stamp = make(together, "b")
    assert asked, "the other process read a part"
    monkeypatch.setattr(part, "helper", lambda size: None)
    frame_alone, stamp_alone = make(alone, "b")
    assert frame.equals(frame_alone)
    assert data_version(frame) == stamp_alone.data_version
    assert stamp.refused == stamp_alone.refused
    assert any("duplicate run" in refusal.reason for refusal in stamp.refused)


def test_a_cut_lies_between_lines_and_counts_rows(tmp_path):
    home = Home(tmp_path / "home")
    path = lines(tmp_path / "runs.jsonl")
    ingest(home, [path], batch="b")
    manifest = read_manifest(home, "b")
    first, second = part.halves(manifest.folder(), manifest.items)
    assert first[-1].end == second[0].start
    assert first[-1].rows + second[0].rows == manifest.items[0].rows
    text = path.read_bytes()
    assert text[second[0].start - 1 : second[0].start] == b"\n"
    assert text[: second[0].start].count(b"\n") == second[0].first_row


def test_a_part_that_nobody_finishes_is_read_here(two, tmp_path):
    home = Home(tmp_path / "home")
    ingest(home, [lines(tmp_path / "runs.jsonl")], batch="b")
    pool = two.helper(1)
    (worker,) = pool._processes
    os.kill(worker, signal.SIGKILL)
    frame, _ = make(home, "b")
    assert frame["trajectory_id"].n_unique() == frame.height > 20


SLEEPER = """
import sys, time
from srft_assets.trajectories import helper
helper.LARGE_BYTES = 0
helper._cores = lambda: 2
if __name__ == "__main__":
    while helper.helper(1) is None:
        time.sleep(0.05)
    print(*helper._state.pool._processes, flush=True)
    time.sleep(60)
"""


def test_the_second_process_ends_with_a_first_that_is_killed(tmp_path):
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        second = psutil.Process(int(first.stdout.readline()))
        first.kill()
    second.wait(timeout=10)


@pytest.mark.parametrize(("several", "there"), [(1_000, True), (1 << 30, False)])
def test_it_is_started_where_much_is_registered(tmp_path, monkeypatch, several, there):
    helper.end_helper()
    monkeypatch.setattr(helper, "SEVERAL_BYTES", several)
    monkeypatch.setattr(helper, "_cores", lambda: 2)
    ingest(Home(tmp_path / "home"), [files(tmp_path / "runs")], batch="b")
    assert (helper._state.pool is not None) == there
    helper.end_helper()
