"""One cell: train the base model on its rows, play the held-out tasks, keep the scores."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from srft_assets.experiment.bench import Bench, CellResult
from srft_assets.experiment.decoding import LaneGenerator
from srft_assets.experiment.design import Cell
from srft_assets.experiment.playing import Score, play_tasks
from srft_assets.outcomes.model import Status
from srft_assets.rollouts.checkpoint import load_checkpoint
from srft_assets.sandbox.opening import open_sandbox
from srft_assets.training.job import TrainingJob
from srft_assets.training.run import train
from srft_assets.warehouse.placing import place

Tell = Callable[[str, int, int], None]
"""Hears what is being done (`train`, `play`), how much is done, and of how much."""

NO_STATE = 86_400.0
"""Seconds: a cell is short enough to be trained again where it was killed."""


def run_cell(cell: Cell, bench: Bench, tell: Tell) -> CellResult:
    """Train, play, grade, keep. A finished cell is taken as it is."""
    done = bench.result(cell)
    if done is not None:
        return done
    name = cell.name(bench.fixed)
    began = time.monotonic()
    model, training = bench.data.base, {}
    output = bench.folder / "work" / name
    if cell.rows is not None:
        result = train(_job(cell, bench, output), _Told(tell))
        model = output
        keys = {"rows", "tokens", "trained_tokens", "tokens_seen", "steps"}
        training = {**result.model_dump(include=keys), "final_loss": result.final_loss}
    trained = time.monotonic()
    scores = _play(cell, bench, model, tell)
    if any(one.status == Status.INFRA_ERROR for one in scores):  # perhaps for that moment only
        scores = _play(cell, bench, model, tell)
    made = CellResult(
        cell=cell,
        training=training,
        scores=[
            (one.instance_id, str(one.status), one.exit_status, one.steps, one.in_memory)
            for one in scores
        ],
        train_seconds=round(trained - began, 2),
        play_seconds=round(time.monotonic() - trained, 2),
    )
    place(bench.path(cell), orjson.dumps(made.model_dump(mode="json")))
    shutil.rmtree(output, ignore_errors=True)
    return made


def _job(cell: Cell, bench: Bench, output: Path) -> TrainingJob:
    assert cell.rows is not None
    regime = bench.regime
    return TrainingJob(
        base_model=str(bench.data.base),
        data=[bench.rows(cell.rows)],
        output=output,
        max_steps=cell.steps,
        batch_size=regime.batch_size,
        learning_rate=regime.learning_rate,
        warmup_ratio=regime.warmup_ratio,
        seed=cell.seed,
        save_seconds=NO_STATE,
    )


def _play(cell: Cell, bench: Bench, model: Path, tell: Tell) -> list[Score]:
    regime = bench.regime
    generator = LaneGenerator(
        load_checkpoint(model), regime.max_new_tokens, regime.temperature, cell.seed
    )
    return play_tasks(
        bench.tasks,
        generator,
        open_sandbox(),
        regime.step_limit,
        lambda done: tell("play", done, len(bench.tasks)),
    )


class _Told:
    """The news of a training, passed on."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def step(self, step: int, of: int, loss: float) -> None:
        """One logged optimizer step."""
        self._tell("train", step, of)

    def curve(self, curve: list[dict[str, Any]]) -> None:
        """Nothing."""
