"""A micro model that says one thing, a checkpoint partition, and the making of an evaluation."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from srft_assets import lab
from srft_assets.home import Home
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.training.launch import launch
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Stage, Work
from tools.base_model.__main__ import make_base_model
from tools.base_model.model import BaseSettings, Size

os.environ["HF_HUB_OFFLINE"] = "1"

BASE_MODEL = Path(lab.__file__).with_name("base_weights")

MICRO = BaseSettings(
    size=Size(
        vocabulary=400, width=32, heads=1, head_width=32, layers=2, mlp_width=32, context=512
    ),
    tasks=6,
    steps=3,
    batch_size=2,
    row_tokens=128,
)


class Silent:
    """Progress that nobody sees."""

    def track(self, items, label, total=None):
        yield from items

    def report(self, label, done, total, note=""):
        pass


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Llama of a few thousand weights; what it says makes no sense."""
    folder = tmp_path_factory.mktemp("model") / "micro"
    make_base_model(MICRO, folder)
    return folder


@pytest.fixture(scope="session")
def checkpoint(micro: Path) -> Checkpoint:
    return load_checkpoint(micro)


@pytest.fixture
def evaluation_of(home: Home, micro: Path) -> Callable[[Stage], Work]:
    """The making of partition 0, with a `checkpoints/<arm>/0` that names the micro model."""
    warehouse = Warehouse(home.warehouse)

    def ready(stage: Stage) -> Work:
        [edge] = stage.upstream
        blank = dict.fromkeys(CHECKPOINTS)
        frame = pl.DataFrame([{**blank, "path": str(micro)}], schema=CHECKPOINTS)
        recipe = Recipe(config={"model": "micro"})
        stamp = Stamp(recipe, recipe.fingerprint, data_version(frame), 1, "test", "")
        warehouse.write(edge.asset, "0", frame, stamp)
        return Work(
            home=home,
            warehouse=warehouse,
            partition="0",
            recipe=recipe_of(stage, home, warehouse, "0"),
            run_id="test",
            progress=Silent(),
            launch=lambda argv, env: launch(argv, env, on_line=lambda line: None),
            log=logging.getLogger("test"),
        )

    return ready
