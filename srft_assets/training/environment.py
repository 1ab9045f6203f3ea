"""What a training takes from its environment and sets in it, before anything heavy is imported."""

import json
import os
from pathlib import Path
from typing import Any

from srft_assets.child import quiet
from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob


def prepare(job: TrainingJob) -> None:
    """Set which trackers wake, one GPU without a launcher, and the Hub only for what needs it.

    Raises SrftError for a sharding that would lose the adapter.
    """
    quiet(**({"WANDB_MODE": "online"} if "wandb" in job.report_to else {}))
    _one_gpu()
    if Path(job.base_model).is_dir() and not _curves_go_to_the_hub(job):
        os.environ["HF_HUB_OFFLINE"] = "1"
    if job.method != "full" and _wraps_layers(job.options):
        raise SrftError(
            "FSDP's activation checkpointing renames the layers, and peft saves an adapter without "
            "weights: leave activation_checkpointing out of the FSDP settings; "
            "training.options.gradient_checkpointing does the same"
        )


def _one_gpu() -> None:
    """Without a launcher one GPU only: transformers would split each packed row over all."""
    if "WORLD_SIZE" not in os.environ:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.partition(",")[0]


def _curves_go_to_the_hub(job: TrainingJob) -> bool:
    return "trackio" in job.report_to and "TRACKIO_SPACE_ID" in os.environ


def _wraps_layers(options: dict[str, Any]) -> bool:
    """As accelerate's launcher states it in the environment, or transformers' own settings."""
    names = ("ACCELERATE_USE_FSDP", "FSDP_ACTIVATION_CHECKPOINTING")
    launched = all(os.environ.get(name) == "true" for name in names)
    stated = options.get("fsdp_config") or {}
    if isinstance(stated, str):
        stated = json.loads(Path(stated).read_bytes())
    own = stated.get("activation_checkpointing", stated.get("fsdp_activation_checkpointing"))
    return launched or str(own).lower() == "true"
