"""One cell: train the base model on its rows, play the held-out tasks, keep the scores."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from srft_assets.agent.whole_file import put_whole
from srft_assets.experiment.data import Data
from srft_assets.experiment.decoding import LaneGenerator
from srft_assets.experiment.design import Cell, Form, Rows
from srft_assets.experiment.playing import Score, play_tasks
from srft_assets.experiment.rows import write_rows
from srft_assets.lab.regime import Regime
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.checkpoint import load_checkpoint
from srft_assets.sandbox.opening import open_sandbox
from srft_assets.training.job import TrainingJob
from srft_assets.training.run import train
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.recipe import digest

CODE = (
    "srft_assets.agent",
    "srft_assets.experiment.cell",
    "srft_assets.experiment.decoding",
    "srft_assets.experiment.grammar",
    "srft_assets.experiment.lanes",
    "srft_assets.experiment.memory",
    "srft_assets.experiment.plain_tests",
    "srft_assets.experiment.playing",
    "srft_assets.experiment.repository",
    "srft_assets.experiment.rows",
    "srft_assets.lab",
    "srft_assets.tokens",
    "srft_assets.training",
)
"""What decides the scores of a cell besides its settings and its data."""

ROW_CODE = ("srft_assets.experiment.rows", "srft_assets.tokens")

Tell = Callable[[str, int, int], None]
"""Hears what is being done (`train`, `play`), how much is done, and of how much."""


class CellResult(BaseModel):
    """The file of a finished cell. `training` holds figures of `TrainingResult`."""

    cell: Cell
    training: dict[str, float]
    scores: list[tuple[str, str, str, int, bool]]
    """Instance id, status, exit status, steps, whether memory sufficed."""
    train_seconds: float
    play_seconds: float


@dataclass(frozen=True)
class Bench:
    """Everything that cells share: the platform's data, the regime, where results lie."""

    data: Data
    regime: Regime
    form: Form

    @cached_property
    def folder(self) -> Path:
        """Below the platform's root."""
        return self.data.home.root / "experiment"

    @cached_property
    def fixed(self) -> str:
        """Digest of what decides every cell besides its own settings."""
        held_out = self.regime.model_dump(mode="json") | {"held_out_tasks": self.tasks_count}
        return digest([code_digest(*CODE), self.data.versions, held_out])

    @property
    def tasks_count(self) -> int:
        """Held-out tasks that are played."""
        return self.form.tasks or self.regime.held_out_tasks

    @property
    def steps(self) -> int:
        """Optimizer steps of an arm."""
        return self.form.steps or self.regime.optimizer_steps

    @cached_property
    def tasks(self) -> list[TaskInstance]:
        """The held-out tasks."""
        return generate_tasks(self.tasks_count, self.regime.held_out_seed, self.regime.tasks)

    def path(self, cell: Cell) -> Path:
        """The file of a finished cell."""
        return self.folder / "cells" / f"{cell.name(self.fixed)}.json"

    def result(self, cell: Cell) -> CellResult | None:
        """None where the cell is not finished."""
        path = self.path(cell)
        return CellResult.model_validate_json(path.read_bytes()) if path.exists() else None

    def rows(self, rows: Rows) -> Path:
        """The rows as a file, made where it is missing."""
        name = digest([rows.model_dump(), code_digest(*ROW_CODE), self.data.versions])[:24]
        return write_rows(rows, self.data, self.folder / "rows" / f"{name}.parquet")


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
    put_whole(bench.path(cell), orjson.dumps(made.model_dump(mode="json")))
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
