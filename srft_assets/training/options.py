"""Which further arguments of TRL's SFTConfig an arm may state in `training.options`."""

from collections.abc import Iterable

from srft_assets.errors import SrftError

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
        "activation_checkpointing",
        "activation_checkpointing_kwargs",
        "activation_offloading",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
        "bf16",
        "ddp_backend",
        "ddp_broadcast_buffers",
        "ddp_bucket_cap_mb",
        "ddp_find_unused_parameters",
        "ddp_static_graph",
        "ddp_timeout",
        "debug",
        "deepspeed",
        "disable_tqdm",
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
        "router_aux_loss_coef",
        "run_name",
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


def check_options(names: Iterable[str]) -> None:
    """Raise SrftError for an argument that is decided elsewhere, breaks a promise, or would be
    ignored: evaluation, preparation of data, its order and its loading.
    """
    stated = set(names)
    if taken := sorted(DECIDED & stated):
        raise SrftError(f"training.options: {', '.join(taken)} is decided by other settings")
    for name in sorted(BREAKING.keys() & stated):
        raise SrftError(f"training.options: {name} is refused: {BREAKING[name]}")
    if idle := sorted(stated - TAKEN):
        raise SrftError(
            f"training.options: {', '.join(idle)} has no effect on a training here: leave it out"
        )
