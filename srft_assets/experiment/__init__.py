"""The experiment's regime: everything that is fixed before an arm is trained.

Demo and reproduction take their figures from here. Tasks of `held_out_seed` are for the report
alone; whatever was tried on the way was tried on tasks of `development_seed`.
"""

from typing import Any

from pydantic import BaseModel

from srft_assets.lab.tasks import TaskSettings
from srft_assets.lab.teacher import Rates


class Regime(BaseModel, extra="forbid", frozen=True):
    """Runs of the teacher, training, evaluation. `docs/lab.md` says why these figures.

    The base model is the shipped one, `base_models/tiny`.
    """

    runs: int = 160
    """Runs of the teacher, one a task."""
    train_task_seed: int = 2
    teacher_seed: int = 2
    rates: Rates = Rates()
    """Chances of the teacher's slips."""
    tasks: TaskSettings = TaskSettings()
    """Of training, development and held-out tasks alike."""
    development_seed: int = 500_001
    held_out_seed: int = 910_001
    held_out_tasks: int = 300
    optimizer_steps: int = 120
    batch_size: int = 4
    """Runs of one optimizer step."""
    learning_rate: float = 1e-3
    warmup_ratio: float = 0.1
    temperature: float = 0.7
    """Of the evaluated model. Greedy shows only mistakes that are likelier than the right step; at
    1 what shows most is how flat the distribution is after a short training."""
    step_limit: int = 16
    """Of the teacher and of the evaluated model."""
    max_new_tokens: int = 64

    def batch_settings(self, runs: int | None = None) -> dict[str, Any]:
        """Settings of the batch of training runs, with another number of them if stated."""
        return {
            "count": runs or self.runs,
            "task_seed": self.train_task_seed,
            "teacher_seed": self.teacher_seed,
            "step_limit": self.step_limit,
            "rates": self.rates.model_dump(),
            "tasks": self.tasks.model_dump(),
        }


REGIME = Regime()
"""The one that is used."""
