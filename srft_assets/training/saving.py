"""When a resumable state is saved: by the clock, and never one that is no good."""

import time
from typing import Any

from srft_assets.errors import SrftError


def saving_callback(save_seconds: float) -> Any:
    """A callback of transformers that asks for a state when `save_seconds` have gone by."""
    from transformers import TrainerCallback

    class SaveByTime(TrainerCallback):
        """With several processes the clock of the first counts: saving takes all of them."""

        def __init__(self) -> None:
            self.last = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> Any:
            due = (
                time.monotonic() - self.last >= save_seconds and state.global_step < state.max_steps
            )
            if _first_says(due, args):
                check_finite(given["model"], state.global_step)
                control.should_save = True
                self.last = time.monotonic()
            return control

    return SaveByTime()


def check_finite(model: Any, step: int) -> None:
    """Raise SrftError where a trained weight is not finite: the loss shows it one step later."""
    for name, weight in model.named_parameters():
        if weight.requires_grad and not weight.isfinite().all():
            raise SrftError(
                f"{name} is not finite after step {step}: lower training.learning_rate, "
                "or raise training.warmup_ratio; the last good state is kept"
            )


def _first_says(due: bool, args: Any) -> bool:
    if args.world_size == 1:
        return due
    import torch

    said = torch.tensor([due], dtype=torch.uint8, device=args.device)
    torch.distributed.broadcast(said, 0)
    return bool(said.item())
