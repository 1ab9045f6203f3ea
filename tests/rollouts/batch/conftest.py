"""A batch of rollouts in a platform of its own, asked from a server that says what it is told."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.home import Home
from srft_assets.rollouts.batch.player import BatchJob, play
from srft_assets.training.launch import launch
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Launch, Work
from tests.rollouts.conftest import Silent

EDIT_AND_SUBMIT = (turn("Look.", "ls"), turn("Edit.", "echo 1 > new.txt"), turn("Done.", SUBMIT))


def in_this_process(argv: Any, env: Any) -> None:
    play(BatchJob.model_validate_json(Path(argv[-1]).read_bytes()))


def in_a_process(argv: Any, env: Any) -> None:
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
