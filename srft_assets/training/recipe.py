"""What of an arm decides the weights of its checkpoints."""

from typing import Any

from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.job import Choice
from srft_assets.warehouse.code import code_digest

MODULES = (
    "srft_assets.tokens.cap",
    "srft_assets.tokens.row",
    *(
        f"srft_assets.training.{name}"
        for name in (
            "attention",
            "job",
            "labels",
            "mixing",
            "model",
            "plan",
            "rows",
            "run",
            "settings",
            "trainer",
            "weights",
        )
    ),
)
"""Modules whose code decides the weights."""

OUTSIDE = {"batches", "launcher", "launcher_args", "launch_prefix", "report_to"}
"""Settings of a training that do not decide its weights, or do so through the inputs."""
LATER = {"mixing", "normalise", "processes"}
OURS = ("micro_batch_tokens", "save_seconds")
"""Settings of ours among `options`. They bound memory and lost time and decide no weight beyond
the rounding of sums, so that a checkpoint stays in sync, and an unfinished training goes on, when
one is lowered for want of memory."""


def code_of_training() -> dict[str, str]:
    """Part of the code → digest."""
    return {"training": code_digest(*MODULES)}


def settings_of(arm: ArmSpec) -> dict[str, Any]:
    """The settings of training, and what of the choice of runs it takes part in.

    Those that came later are named only where they differ from their default, so that the
    checkpoints of arms that do not know them stay as they are.
    """
    stated = arm.training.model_dump(exclude=OUTSIDE | LATER)
    stated["options"] = {k: v for k, v in stated["options"].items() if k not in OURS}
    later = arm.training.model_dump(include=LATER, exclude_defaults=True)
    choice = choice_of(arm).model_dump(exclude_defaults=True)
    return {"model": arm.model, **stated, **later, **({"choice": choice} if choice else {})}


def choice_of(arm: ArmSpec) -> Choice:
    """What of the arm's choice of runs only training can make."""
    seed = arm.seed if arm.per_instance is not None else 0
    return Choice(dedup=arm.dedup, per_instance=arm.per_instance, seed=seed)
