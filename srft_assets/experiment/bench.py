"""What cells share, and where their results lie."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from srft_assets.experiment.data import Data, arm_spec
from srft_assets.experiment.design import ARMS, Cell, Form, Rows
from srft_assets.experiment.rows import write_rows
from srft_assets.lab.regime import Regime
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.task import TaskInstance
from srft_assets.warehouse.code import source_digest
from srft_assets.warehouse.recipe import digest

CODE = (
    "srft_assets.agent",
    "srft_assets.critic.scores.gold",
    "srft_assets.experiment.cell",
    "srft_assets.experiment.data",
    "srft_assets.experiment.decoding",
    "srft_assets.experiment.grammar",
    "srft_assets.experiment.lanes",
    "srft_assets.experiment.memory",
    "srft_assets.experiment.plain_tests",
    "srft_assets.experiment.playing",
    "srft_assets.experiment.repository",
    "srft_assets.experiment.rows",
    "srft_assets.experiment.working",
    "srft_assets.lab",
    "srft_assets.outcomes.local",
    "srft_assets.rollouts.checkpoint",
    "srft_assets.rollouts.prompt",
    "srft_assets.tokens",
    "srft_assets.training",
)
"""What decides the scores of a cell besides its settings and its data."""

ROW_CODE = (
    "srft_assets.critic.scores.gold",
    "srft_assets.experiment.data",
    "srft_assets.experiment.rows",
    "srft_assets.tokens",
)
NO_ROWS = {"description", "on_request", "model", "training", "evaluation"}
"""Settings of an arm that do not decide its rows; the regime stands for the last two."""


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
        return digest([source_digest(*CODE), self.data.versions, held_out, self.arms])

    @cached_property
    def arms(self) -> dict[str, dict[str, Any]]:
        """What the YAML of each arm says of its rows."""
        return {
            name: arm_spec(name).model_dump(mode="json", exclude=NO_ROWS) for name in ARMS.values()
        }

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
        name = digest([rows.model_dump(), self.arms, source_digest(*ROW_CODE), self.data.versions])[
            :24
        ]
        return write_rows(rows, self.data, self.folder / "rows" / f"{name}.parquet")
