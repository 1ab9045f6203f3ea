"""What of an arm decides the weights of its checkpoints."""

from typing import Any

from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.job import Choice

OUTSIDE = {"batches", "launcher", "launcher_args", "launch_prefix", "report_to"}
"""Settings of a training that do not decide its weights, or do so through the inputs."""
OURS = ("micro_batch_tokens", "save_seconds")
"""Settings of ours among `options`. They bound memory and lost time and decide no weight beyond
the rounding of sums, so that a checkpoint stays in sync, and an unfinished training goes on, when
one is lowered for want of memory."""


def settings_of(arm: ArmSpec) -> dict[str, Any]:
    """The settings of training, and what of the choice of runs it takes part in."""
    stated = arm.training.model_dump(exclude=OUTSIDE)
    stated["options"] = {k: v for k, v in stated["options"].items() if k not in OURS}
    return {"model": arm.model, **stated, "choice": choice_of(arm).model_dump()}


def choice_of(arm: ArmSpec) -> Choice:
    """What of the arm's choice of runs only training can make."""
    seed = arm.seed if arm.per_instance is not None else 0
    return Choice(dedup=arm.dedup, per_instance=arm.per_instance, seed=seed)
