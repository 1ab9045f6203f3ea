"""TRL's SFTTrainer over rows that are already tokenized, labelled and planned.

It imports torch at once: only the training process imports this module.
"""

import math
import time
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
import torch
from datasets import Dataset
from datasets.table import InMemoryTable
from peft import LoraConfig
from torch.distributed.fsdp import FSDPModule
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from srft_assets.errors import SrftError
from srft_assets.training.data import CODES, STEP_LABELS, WEIGHTS, Group, Plan
from srft_assets.training.job import HeldOut, TrainingJob
from srft_assets.training.losses import (
    loss_of_trained,
    mean_losses,
    sums_by_label,
    weighted_loss,
)
from srft_assets.training.options import check_options
from srft_assets.training.process import Report, agree

CURVE_POINTS = 150
"""Points of a loss curve, about."""
MAMBA = frozenset({"falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"})
BESIDE_MAMBA = ["conv1d", "out_proj"]
"""Layers that Mamba's kernels read past an adapter: peft refuses one there."""


Scored = tuple[pa.Table, list[Group]]
"""The rows that are scored, and the forward passes of this process over them."""


def build_trainer(
    job: TrainingJob,
    model: Any,
    tokenizer: Any,
    table: pa.Table,
    plan: Plan,
    report: Report,
    scored: Scored | None = None,
) -> "PlannedTrainer":
    """A trainer that follows the plan exactly; `report` hears of every logged step.

    What TRL does besides (truncating at 1024 tokens, dropping and shuffling rows, bf16 and
    activation checkpointing on a CPU, replacing a NaN loss by an old mean) is switched off.
    """
    args = sft_config(job, plan)
    lora = LoraConfig(
        r=job.lora_rank,
        lora_alpha=job.lora_alpha,
        # Every linear layer but the head, which TRL does not train through an adapter.
        target_modules="all-linear",
        exclude_modules=BESIDE_MAMBA if model.config.model_type in MAMBA else None,
        task_type="CAUSAL_LM",
    )
    trainer = PlannedTrainer(
        model=model,
        args=args,
        train_dataset=Dataset(InMemoryTable(table), fingerprint=job.identity),
        eval_dataset=scored and Dataset(InMemoryTable(scored[0]), fingerprint=job.identity),
        compute_metrics=mean_losses if scored else None,
        processing_class=tokenizer,
        peft_config=None if job.method == "full" else lora,
        data_collator=WeightsCollator(
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id or 0,
            padding_free=plan.layout == "packed",
        ),
    )
    if WEIGHTS in table.column_names and not trainer.is_plain:
        raise SrftError(
            "training.options: loss weights go with the plain loss only: loss_type nll, without "
            "label_smoothing_factor, and for a mixture of experts router_aux_loss_coef 0.0"
        )
    trainer.plan, trainer.report = plan, report
    if scored and job.validation:
        trainer.scored_groups = scored[1]
        if patience := job.validation.patience:
            trainer.add_callback(EarlyStoppingCallback(patience))
    trainer.clock = Clock(job.save_seconds)
    trainer.add_callback(trainer.clock)
    trainer.pop_callback(PrinterCallback)
    return trainer


def sft_config(job: TrainingJob, plan: Plan) -> SFTConfig:
    """The SFTConfig of a job. Raises SrftError where `options` are wrong; see `check_options`."""
    options = check_options(job.options)
    for tracker in job.report_to:
        if find_spec(tracker) is None:
            raise SrftError(f"training.report_to: {tracker} is not here: pip install {tracker}")
    gpu = torch.cuda.is_available()
    if options.get("use_liger_kernel") and not gpu:
        raise SrftError("training.options: use_liger_kernel needs a GPU, and there is none")
    if options.get("use_liger_kernel") and find_spec("liger_kernel") is None:
        raise SrftError("training.options: use_liger_kernel: pip install liger-kernel")
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
    if job.validation:
        settings |= _validation(job.validation)
    try:
        return SFTConfig(**{**settings, **options})
    except (TypeError, ValueError) as error:
        raise SrftError(f"training.options: {error}") from error


def _validation(held_out: HeldOut) -> dict[str, Any]:
    """Arguments of SFTConfig. Each validation saves a state where the best weights are kept."""
    settings: dict[str, Any] = {
        "eval_strategy": "steps",
        "eval_steps": held_out.every,
        "metric_for_best_model": "loss",
        "greater_is_better": False,
        # How long the loss has not been lower is part of a state.
        "restore_callback_states_from_checkpoint": held_out.patience is not None,
    }
    if held_out.keep == "best":
        saving = {"save_strategy": "steps", "save_steps": held_out.every}
        settings |= {**saving, "load_best_model_at_end": True}
    return settings


class WeightsCollator(DataCollatorForLanguageModeling):
    """TRL's collator, which also lays out the loss weights of rows and the labels of their steps,
    as it does their labels."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """The batch of some rows; its `weights` and `step_labels` have the shape of `labels`."""
        batch = super().torch_call(examples)
        for name in {WEIGHTS, STEP_LABELS} & examples[0].keys():
            rows = [torch.tensor(row[name], dtype=torch.float32) for row in examples]
            padded = pad_sequence(rows, batch_first=True)
            batch[name] = torch.cat(rows)[None] if self.padding_free else padded
        return batch


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


class PlannedTrainer(SFTTrainer):
    """Feeds the groups of a plan, weighs tokens, scores only trained positions on a CPU."""

    args: SFTConfig
    plan: Plan
    report: Report
    clock: Clock
    scored_groups: list[Group]

    @property
    def is_plain(self) -> bool:
        """Whether the loss is the likelihood of the trained tokens alone.

        A mixture of experts has the auxiliary loss of its router, by its own coefficient where
        the options state none.
        """
        other = self.args.label_smoothing_factor or self.aux_loss_enabled
        return self.args.loss_type == "nll" and not other

    def get_train_dataloader(self) -> DataLoader:
        """The plan's groups of rows, in its order."""
        rows: Any = self.train_dataset
        return DataLoader(rows, batch_sampler=self.plan.groups, collate_fn=self.data_collator)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """This process's groups of the rows that are scored."""
        rows: Any = self.eval_dataset
        return DataLoader(
            rows,
            batch_sampler=self.scored_groups,
            collate_fn=self.data_collator,
            generator=torch.Generator(),  # else it draws from that of dropout
        )

    def evaluate(self, *given: Any, **named: Any) -> dict[str, float]:
        """The losses of the held-out tasks, which are reported; not a part of the pace.

        The state after a training that ends early would go on: none is saved there.
        """
        begin = time.monotonic()
        losses = super().evaluate(*given, **named)
        # FSDP2 shards again after a backward pass, which there is none of, and cannot load else.
        for module in self.model_wrapped.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
        self.clock.logged += time.monotonic() - begin
        self._finite(torch.tensor(losses["eval_loss"]))
        step, of = self.state.global_step, self.args.max_steps
        by_label = {one: losses[key] for one in CODES if (key := f"eval_loss_{one}") in losses}
        self.report(step, of, losses["eval_loss"], by_label)
        if self.control.should_training_stop and step < of:
            self.control.should_save = False
        return losses

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, Any, Any]:
        """No mean of a pass, but its sums, and what they are divided by; `mean_losses`."""
        inputs = self._prepare_inputs(inputs)
        sparse = self.plan.layout == "packed" and self.args.device.type == "cpu"
        weights, steps = inputs.pop(WEIGHTS), inputs.pop(STEP_LABELS)
        with torch.no_grad(), self.compute_loss_context_manager():
            return None, *sums_by_label(model, inputs, weights, steps, sparse)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The batches of an optimizer step, with the weight of all their tokens."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if batches and WEIGHTS in batches[0]:
            total = sum(batch[WEIGHTS][:, 1:].sum() for batch in batches)
            items = self.accelerator.gather(total.to(device)).sum()
        return batches, items

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Sum over the trained tokens by their number, or weight, in the optimizer step.

        Another loss that an arm states is TRL's own, which scores every position.
        """
        weights = inputs.pop(WEIGHTS, None)
        packed = self.plan.layout == "packed" and self.is_plain
        if packed and self.args.device.type == "cpu":
            loss = loss_of_trained(model, inputs, weights) / num_items_in_batch
        elif weights is not None:
            loss = weighted_loss(model, inputs, weights) / num_items_in_batch
        else:
            loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            return self._finite(loss)
        return self._finite(loss * self.accelerator.num_processes)

    def _finite(self, loss: Any) -> Any:
        if not torch.isfinite(loss):
            raise SrftError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}: "
                "lower training.learning_rate, or raise training.warmup_ratio"
            )
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the pace too, and report the step."""
        if "loss" in logs:
            step = self.state.global_step
            seconds, first = self.clock.lap(step)
            told = (entry["seconds"] for entry in self.state.log_history[::-1] if "loss" in entry)
            earlier = next(told, 0.0)
            tokens = sum(self.plan.step_tokens[first:step])
            logs |= {
                "seconds": earlier + seconds,
                "tokens_per_second": tokens / max(seconds, 1e-9),
            }
            self.report(step, self.args.max_steps, logs["loss"], None)
        super().log(logs, start_time)


def whole_weights(trainer: SFTTrainer) -> Any:
    """Under FSDP the weights gathered from all processes, which all must call; otherwise None."""
    if not trainer.is_fsdp_enabled:
        return None
    return trainer.accelerator.get_state_dict(trainer.model_wrapped)
