"""Which further arguments of TRL's SFTConfig an arm may state in `training.options`."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.tokens.arm import TrainingSpec

DECIDED = frozenset(
    [
        "dataset_kwargs",
        "gradient_accumulation_steps",
        "learning_rate",
        "logging_nan_inf_filter",
        "logging_strategy",
        "max_length",
        "max_steps",
        "num_train_epochs",
        "output_dir",
        "packing",
        "padding_free",
        "per_device_train_batch_size",
        "report_to",
        "save_steps",
        "save_strategy",
        "seed",
        "warmup_steps",
    ]
)
"""What the job or the plan of its rows decides."""

BREAKING = {
    "auto_find_batch_size": "the plan of the rows is known before the first step",
    "average_tokens_across_devices": "the loss is the mean over all trained tokens of a step",
    "hub_token": "no key belongs in a file: set HF_TOKEN in its place",
    "ignore_data_skip": "a training that was killed would go on with other rows",
    "restore_callback_states_from_checkpoint": "a state is resumed whole",
    "save_only_model": "a training that was killed would start Adam and warm-up anew",
}
"""What would break a promise of docs/training.md, and which."""

TAKEN = frozenset(
    [
        "accelerator_config",
        "activation_checkpointing",
        "activation_checkpointing_kwargs",
        "activation_offloading",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
        "bf16",
        "dataloader_num_workers",
        "ddp_backend",
        "ddp_broadcast_buffers",
        "ddp_bucket_cap_mb",
        "ddp_find_unused_parameters",
        "ddp_static_graph",
        "ddp_timeout",
        "debug",
        "deepspeed",
        "disable_tqdm",
        "do_train",
        "enable_jit_checkpoint",
        "fp16",
        "fsdp",
        "fsdp_config",
        "full_determinism",
        "gradient_checkpointing",
        "gradient_checkpointing_kwargs",
        "hub_always_push",
        "hub_model_id",
        "hub_private_repo",
        "hub_revision",
        "hub_strategy",
        "include_num_input_tokens_seen",
        "label_smoothing_factor",
        "liger_kernel_config",
        "log_level",
        "log_level_replica",
        "log_on_each_node",
        "logging_first_step",
        "logging_steps",
        "loss_type",
        "lr_scheduler_kwargs",
        "lr_scheduler_type",
        "max_grad_norm",
        "neftune_noise_alpha",
        "optim",
        "optim_args",
        "optim_target_modules",
        "parallelism_config",
        "project",
        "push_to_hub",
        "remove_unused_columns",
        "router_aux_loss_coef",
        "run_name",
        "save_on_each_node",
        "save_total_limit",
        "skip_memory_metrics",
        "tf32",
        "torch_compile",
        "torch_compile_backend",
        "torch_compile_mode",
        "torch_empty_cache_steps",
        "trackio_bucket_id",
        "trackio_space_id",
        "trackio_static_space_id",
        "use_cpu",
        "use_liger_kernel",
        "weight_decay",
    ]
)
"""What has an effect on rows that are tokenized, labelled and planned, and on no promise."""


IDLE: dict[str, Any] = {
    "assistant_only_loss": False,
    "batch_eval_metrics": False,
    "bf16_full_eval": False,
    "chat_template_path": None,
    "completion_only_loss": None,
    "data_seed": None,
    "dataloader_drop_last": False,
    "dataloader_in_order": True,
    "dataloader_multiprocessing_context": None,
    "dataloader_persistent_workers": False,
    "dataloader_pin_memory": True,
    "dataloader_prefetch_factor": None,
    "dataset_num_proc": None,
    "dataset_text_field": "text",
    "do_predict": False,
    "eos_token": None,
    "eval_accumulation_steps": None,
    "eval_delay": 0,
    "eval_do_concat_batches": True,
    "eval_packing": None,
    "eval_use_gather_object": False,
    "fp16_full_eval": False,
    "include_for_metrics": [],
    "label_names": None,
    "length_column_name": "length",
    "local_rank": -1,
    "model_init_kwargs": None,
    "packing_strategy": "bfd",
    "pad_to_multiple_of": "auto",
    "pad_token": None,
    "per_device_eval_batch_size": 8,
    "prediction_loss_only": False,
    "resume_from_checkpoint": None,
    "shuffle_dataset": False,
    "train_sampling_strategy": "random",
    "truncation_mode": "keep_start",
    "trust_remote_code": False,
    "use_cache": False,
}
"""What has no effect here (scoring, preparation of data, its order), with its default."""

OF_VALIDATION: dict[str, Any] = {
    "do_eval": False,
    "eval_on_start": False,
    "eval_steps": None,
    "eval_strategy": "no",
    "greater_is_better": None,
    "load_best_model_at_end": False,
    "metric_for_best_model": None,
}
"""What `training.validation` decides, with its default."""

HARMLESS: dict[str, Any] = {
    **IDLE,
    **OF_VALIDATION,
    "auto_find_batch_size": False,
    "average_tokens_across_devices": True,
    "hub_token": None,
    "ignore_data_skip": False,
    "logging_strategy": "steps",
    "packing": False,
    "restore_callback_states_from_checkpoint": False,
    "save_only_model": False,
}
"""Defaults of SFTConfig that change nothing: whoever states them is right."""


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that SFTConfig is given; stated defaults of others are left out.

    Raises SrftError for an argument that is decided elsewhere, breaks a promise, would be ignored,
    or is none.
    """
    stated = {
        name: value
        for name, value in options.items()
        if name not in HARMLESS or value != HARMLESS[name]
    }
    if taken := sorted(DECIDED & stated.keys()):
        raise SrftError(f"training.options: {', '.join(taken)} is decided by other settings")
    if taken := sorted(OF_VALIDATION.keys() & stated.keys()):
        raise SrftError(f"training.options: {', '.join(taken)} is decided by training.validation")
    for name in sorted(BREAKING.keys() & stated.keys()):
        raise SrftError(f"training.options: {name} is refused: {BREAKING[name]}")
    if idle := sorted(IDLE.keys() & stated.keys()):
        raise SrftError(
            f"training.options: {', '.join(idle)} has no effect on a training here: leave it out"
        )
    for name in sorted(stated.keys() - TAKEN):
        raise SrftError(f"training.options: {name} is no argument of SFTConfig{_meant(name)}")
    if stated.get("label_smoothing_factor") and stated.get("loss_type", "nll") != "nll":
        raise SrftError(
            "training.options: label_smoothing_factor goes with loss_type nll only, TRL would "
            "ignore it: leave one of them out"
        )
    return stated


def _meant(name: str) -> str:
    settings = {f: f"training.{f}" for f in TrainingSpec.model_fields}
    known = {one: one for one in TAKEN} | settings
    near = get_close_matches(name, known, 1)
    return f": did you mean {known[near[0]]}?" if near else ""
