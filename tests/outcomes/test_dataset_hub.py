"""Rows of a data set on the Hugging Face hub, from a server that speaks its protocol."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.outcomes.test_dataset import ROWS
from tests.trajectories.test_hub import FILES, hub

__all__ = ["hub"]

READ = """
import sys, json
from srft_assets.errors import SrftError
from srft_assets.outcomes.task import read_dataset
try:
    found = read_dataset(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3])
except SrftError as error:
    sys.exit(f"srft: {error}")
print(json.dumps(sorted(found)))
"""
IDS = json.dumps([each["instance_id"] for each in ROWS])


def read(endpoint: str, folder: Path, source: str, split: str) -> subprocess.CompletedProcess[str]:
    stated = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hf"), "HF_TOKEN": ""}
    env = {**os.environ, **stated, "HF_HUB_OFFLINE": "0"}
    argv = [sys.executable, "-c", READ, source, IDS, split]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("source", ["owner/runs", "hf://datasets/owner/runs"])
def test_the_rows_of_the_split_are_fetched(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    for split, rows in (("test", ROWS[:1]), ("train", ROWS[1:])):
        sink = io.BytesIO()
        pl.DataFrame(rows).write_parquet(sink)
        monkeypatch.setitem(FILES, f"default/{split}/0000.parquet", sink.getvalue())
    done = read(hub, tmp_path, source, "test")
    assert done.stdout == '["demo__demo-0"]\n', done.stderr
    assert len(json.loads(read(hub, tmp_path, source, "train").stdout)) == len(ROWS) - 1


def test_without_a_network_it_is_one_line(tmp_path: Path) -> None:
    done = read("http://127.0.0.1:9", tmp_path, "owner/runs", "test")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("srft: hf://datasets/owner/runs/test: cannot be fetched")
