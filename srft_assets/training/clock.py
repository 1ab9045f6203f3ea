"""The pace of a training, and when it saves a state."""

import time
from typing import Any

from transformers import TrainerCallback

from srft_assets.errors import SrftError
from srft_assets.training.process import agree


class Clock(TrainerCallback):
    """The time that steps take; asks for a state each time `save_seconds` have gone by."""

    def __init__(self, save_seconds: float) -> None:
        self.save_seconds = save_seconds
        self.saved = self.logged = time.monotonic()
        self.step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Start; a resumed training begins at a later step."""
        self.saved = self.logged = time.monotonic()
        self.step = state.global_step

    def lap(self, step: int) -> tuple[float, int]:
        """Seconds since the last lap, which ended after the step that is also returned."""
        now = time.monotonic()
        seconds, first = now - self.logged, self.step
        self.logged, self.step = now, step
        return seconds, first

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> Any:
        """Saving takes all processes: the clock of the first one counts."""
        due = time.monotonic() - self.saved >= self.save_seconds
        control.should_save |= agree(due and state.global_step < state.max_steps)
        if control.should_save:
            check_finite(given["model"], state.global_step)
        # A curve also ends where a validation ends the training.
        control.should_log |= control.should_evaluate
        return control

    def on_save(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Whoever asked for it."""
        self.saved = time.monotonic()


def check_finite(model: Any, step: int) -> None:
    """Raise SrftError where a trained weight is not finite: the loss shows it one step later."""
    for name, weight in model.named_parameters():
        if weight.requires_grad and not weight.isfinite().all():
            raise SrftError(
                f"{name} is not finite after step {step}: lower training.learning_rate, "
                "or raise training.warmup_ratio; the last good state is kept"
            )
