"""`report_to`: a tracker hears of every step. Each skips where its package is not installed."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.training.conftest import MakeJob, make_rows


def trained(job: MakeJob, tracker: str, folder: Path, **environment: str) -> Path:
    """A training in a process of its own, offline, in the folder; skips without the tracker."""
    if find_spec(tracker) is None:
        pytest.skip(f"{tracker} is not installed: pip install {tracker}")
    path = folder / "job.json"
    path.write_text(job(make_rows(8), max_steps=3, report_to=[tracker]).model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "srft_assets.training.main", str(path)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_mlflow_has_the_loss_of_every_step(job: MakeJob, tmp_path: Path) -> None:
    store = {
        "MLFLOW_TRACKING_URI": f"file://{tmp_path / 'runs'}",
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
    folder = trained(job, "mlflow", tmp_path, **store)
    (metric,) = folder.glob("runs/*/*/metrics/loss")
    assert [line.split()[2] for line in metric.read_text().splitlines()] == ["1", "2", "3"]


def test_wandb_offline_leaves_a_run_to_sync(job: MakeJob, tmp_path: Path) -> None:
    folder = trained(job, "wandb", tmp_path, WANDB_MODE="offline")
    assert list(folder.glob("wandb/offline-run-*/*.wandb"))


def test_trackio_has_the_loss_of_every_step(job: MakeJob, tmp_path: Path) -> None:
    store = {"TRACKIO_DIR": str(tmp_path / "trackio")}
    folder = trained(job, "trackio", tmp_path, **store)
    of = ["--project", "huggingface", "--run", "home-0", "--metric"]

    def values(metric: str) -> list[float]:
        argv = [sys.executable, "-m", "trackio.cli", "get", "metric", *of, metric, "--json"]
        told = subprocess.run(argv, env={**os.environ, **store}, capture_output=True, check=True)
        return [point["value"] for point in json.loads(told.stdout)["values"]]

    told = json.loads((folder / "home/artifacts/out/result.json").read_bytes())
    assert values("train/loss") == [point["loss"] for point in told["loss_curve"]]
    assert values("train/global_step")[:3] == [1, 2, 3]
