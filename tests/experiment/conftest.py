"""A sandbox, a checkpoint that says nothing sensible, and what the platform makes of few runs."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from srft_assets.cli.platform import applier
from srft_assets.experiment.data import BATCH, NEEDED, Data
from srft_assets.home import Home
from srft_assets.lab import regime
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.sandbox import Sandbox
from srft_assets.trajectories.batches import write_lab_batch

os.environ["HF_HUB_OFFLINE"] = "1"
RUNS = 14
REGIME = regime.REGIME.model_copy(update={"held_out_seed": regime.REGIME.development_seed})
"""Tests never play held-out tasks."""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Data:
    """Runs, outcomes, verdicts, labels and the base model, made by the platform's own assets."""
    home = Home(tmp_path_factory.mktemp("lab") / "home")
    patch = pytest.MonkeyPatch()
    patch.setenv("SRFT_HOME", str(home.root))
    write_lab_batch(home, BATCH, REGIME.batch_settings(RUNS))
    with applier(Console(quiet=True)) as platform:
        platform.apply(NEEDED, [BATCH], [])
    patch.undo()
    return Data(home)


@pytest.fixture
def checkpoint(data: Data) -> Checkpoint:
    """The base model."""
    return load_checkpoint(Path(data.base))
