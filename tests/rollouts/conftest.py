"""A micro model that says one thing, a checkpoint partition, and the making of an evaluation; and a
batch of rollouts, asked from a server that says what it is told.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from srft_assets import lab
from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.home import Home
from srft_assets.processes.launch import launch
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.rollouts.player import BatchJob, play
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Launch, Stage, Work
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
            launch=lambda argv, env, prefix: launch(argv, env, on_line=lambda line: None),
            log=logging.getLogger("test"),
        )

    return ready


EDIT_AND_SUBMIT = (turn("Look.", "ls"), turn("Edit.", "echo 1 > new.txt"), turn("Done.", SUBMIT))


def in_this_process(argv: Any, env: Any, prefix: Any = ()) -> None:
    play(BatchJob.model_validate_json(Path(argv[-1]).read_bytes()))


def in_a_process(argv: Any, env: Any, prefix: Any = ()) -> None:
    launch(argv, env, on_line=lambda line: None)


def work_of(home: Home, batch: str, launching: Launch = in_this_process) -> Work:
    return Work(
        home=home,
        warehouse=Warehouse(home.warehouse),
        partition=batch,
        recipe=Recipe(config={}),
        run_id="test",
        progress=Silent(),
        launch=launching,
        log=logging.getLogger("test"),
    )


@pytest.fixture
def work(home: Home, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setenv("MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT", "1")
    return work_of(home, "played")


@pytest.fixture
def asking() -> Callable[..., dict[str, Any]]:
    """Settings of a batch of two generated tasks whose model is asked at `base_url`."""

    def make(base_url: str, model: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        endpoint = {"kind": "endpoint", "name": "m", "base_url": base_url, **(model or {})}
        tasks = {"kind": "lab", "seed": 5, "count": 2}
        return {"tasks": tasks, "model": endpoint, "step_limit": 5, "workers": 2, **more}

    return make
