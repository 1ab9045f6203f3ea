"""A job as the arguments of TRL and peft."""

import math
from importlib.util import find_spec
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob
from srft_assets.training.plan import Plan

CURVE_POINTS = 150
"""Points of a loss curve, about."""

OURS = frozenset(
    {
        "dataset_kwargs",
        "gradient_accumulation_steps",
        "learning_rate",
        "max_length",
        "max_steps",
        "output_dir",
        "packing",
        "padding_free",
        "per_device_train_batch_size",
        "report_to",
        "save_strategy",
        "seed",
    }
)
"""Arguments of SFTConfig that the job or the plan decides."""


def sft_config(job: TrainingJob, plan: Plan) -> Any:
    """The SFTConfig of a job. Raises SrftError where `options` are wrong or decided elsewhere."""
    import torch
    from trl import SFTConfig

    if taken := sorted(OURS & job.options.keys()):
        raise SrftError(f"training.options: {', '.join(taken)} is decided by other settings")
    if "hub_token" in job.options:
        raise SrftError("training.options: no key belongs in a file: set HF_TOKEN in its place")
    for tracker in job.report_to:
        if find_spec(tracker) is None:
            raise SrftError(f"training.report_to: {tracker} is not here: pip install {tracker}")
    gpu = torch.cuda.is_available()
    settings: dict[str, Any] = {
        "output_dir": str(job.partial / "states"),
        "max_steps": job.max_steps,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": plan.per_step,
        "learning_rate": job.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": math.ceil(job.warmup_ratio * job.max_steps),
        "seed": job.seed,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "gradient_checkpointing": gpu,
        "use_cpu": not gpu,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "logging_steps": max(1, round(job.max_steps / CURVE_POINTS)),
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "save_total_limit": 2,
        "report_to": job.report_to or "none",
        "run_name": f"{job.output.parent.parent.name}-{job.seed}",
        "disable_tqdm": True,
        "dataloader_pin_memory": gpu,
    }
    try:
        return SFTConfig(**{**settings, **job.options})
    except (TypeError, ValueError) as error:
        raise SrftError(f"training.options: {error}") from error


def lora_config(job: TrainingJob) -> Any:
    """Adapters on every linear layer but the head, which TRL does not train through one."""
    from peft import LoraConfig

    return LoraConfig(
        r=job.lora_rank,
        lora_alpha=job.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
