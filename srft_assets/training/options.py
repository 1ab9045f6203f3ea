"""Which further arguments of TRL's SFTConfig an arm may state in `training.options`."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.tokens.arm import TrainingSpec

DECIDED = frozenset(
    (
        *("max_steps", "num_train_epochs", "learning_rate", "warmup_steps", "seed", "max_length"),
        *("gradient_accumulation_steps", "per_device_train_batch_size", "packing", "padding_free"),
        *("logging_nan_inf_filter", "logging_strategy", "report_to", "output_dir"),
        *("save_steps", "save_strategy", "dataset_kwargs"),
    )
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
    (
        *("optim", "optim_args", "optim_target_modules", "adam_beta1", "adam_beta2"),
        *("adam_epsilon", "weight_decay", "max_grad_norm", "lr_scheduler_type"),
        *("lr_scheduler_kwargs", "loss_type", "label_smoothing_factor", "router_aux_loss_coef"),
        *("neftune_noise_alpha", "bf16", "fp16", "tf32", "use_cpu", "full_determinism", "do_train"),
        *("gradient_checkpointing", "gradient_checkpointing_kwargs", "activation_checkpointing"),
        *("activation_checkpointing_kwargs", "activation_offloading", "torch_compile"),
        *("torch_compile_backend", "torch_compile_mode", "torch_empty_cache_steps"),
        *("use_liger_kernel", "liger_kernel_config", "accelerator_config", "parallelism_config"),
        *("deepspeed", "fsdp", "fsdp_config", "ddp_backend", "ddp_broadcast_buffers"),
        *("ddp_bucket_cap_mb", "ddp_find_unused_parameters", "ddp_static_graph", "ddp_timeout"),
        *("dataloader_num_workers", "remove_unused_columns", "enable_jit_checkpoint"),
        *("save_on_each_node", "save_total_limit", "debug", "disable_tqdm", "log_level"),
        *("log_level_replica", "log_on_each_node", "logging_first_step", "logging_steps"),
        *("include_num_input_tokens_seen", "skip_memory_metrics", "run_name", "project"),
        *("push_to_hub", "hub_always_push", "hub_model_id", "hub_private_repo", "hub_revision"),
        *("hub_strategy", "trackio_bucket_id", "trackio_space_id", "trackio_static_space_id"),
    )
)
"""What has an effect on rows that are tokenized, labelled and planned, and on no promise."""

_NONE = (
    *("chat_template_path", "completion_only_loss", "data_seed", "dataset_num_proc", "eos_token"),
    *("dataloader_multiprocessing_context", "dataloader_prefetch_factor", "label_names"),
    *("eval_accumulation_steps", "eval_packing", "model_init_kwargs", "pad_token"),
    "resume_from_checkpoint",
)
_FALSE = (
    *("assistant_only_loss", "batch_eval_metrics", "bf16_full_eval", "dataloader_drop_last"),
    *("dataloader_persistent_workers", "do_predict", "eval_use_gather_object", "fp16_full_eval"),
    *("prediction_loss_only", "shuffle_dataset", "trust_remote_code", "use_cache"),
)
IDLE: dict[str, Any] = {
    **dict.fromkeys(_NONE),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(
        ("dataloader_in_order", "dataloader_pin_memory", "eval_do_concat_batches"), True
    ),
    **{"eval_delay": 0, "local_rank": -1, "per_device_eval_batch_size": 8},
    **{"dataset_text_field": "text", "length_column_name": "length", "include_for_metrics": []},
    **{"pad_to_multiple_of": "auto", "packing_strategy": "bfd", "truncation_mode": "keep_start"},
    "train_sampling_strategy": "random",
}
"""What has no effect here (scoring, preparation of data, its order), with its default."""

OF_VALIDATION: dict[str, Any] = {
    **dict.fromkeys(("eval_steps", "greater_is_better", "metric_for_best_model")),
    **dict.fromkeys(("do_eval", "eval_on_start", "load_best_model_at_end"), False),
    "eval_strategy": "no",
}
"""What `training.validation` decides, with its default."""

HARMLESS: dict[str, Any] = {
    **IDLE,
    **OF_VALIDATION,
    **dict.fromkeys(("auto_find_batch_size", "ignore_data_skip", "packing"), False),
    **dict.fromkeys(("restore_callback_states_from_checkpoint", "save_only_model"), False),
    **{"average_tokens_across_devices": True, "hub_token": None, "logging_strategy": "steps"},
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
    for names, by in ((DECIDED, "other settings"), (OF_VALIDATION.keys(), "training.validation")):
        if found := sorted(names & stated.keys()):
            raise SrftError(f"training.options: {', '.join(found)} is decided by {by}")
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
