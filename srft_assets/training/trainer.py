"""TRL's SFTTrainer over rows that are already tokenized, masked and planned."""

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob
from srft_assets.training.plan import Plan
from srft_assets.training.saving import saving_callback
from srft_assets.training.settings import lora_config, sft_config
from srft_assets.training.weights import (
    WEIGHTS,
    loss_of_trained,
    real_tokens,
    total_weight,
    weighted_loss,
    with_weights,
)

Report = Callable[[int, float], None]
"""Takes the step and its loss."""


class Clock:
    """Seconds and tokens per second of a training that may have been resumed."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.tokens = 0

    def lap(self, tokens: int, before: dict[str, float]) -> dict[str, float]:
        """Figures of the steps since the last lap; `before` is what that lap had logged."""
        now = time.monotonic()
        seconds, done = now - self.last, tokens - self.tokens
        self.last, self.tokens = now, tokens
        return {
            "seconds": before.get("seconds", 0.0) + seconds,
            "tokens_per_second": done / max(seconds, 1e-9),
        }


def build_trainer(
    job: TrainingJob, model: Any, tokenizer: Any, table: pa.Table, plan: Plan, report: Report
) -> Any:
    """A trainer that follows the plan exactly; `report` hears of every logged step.

    What TRL does besides (truncating at 1024 tokens, dropping and shuffling rows, bf16 and
    activation checkpointing on a CPU, replacing a NaN loss by an old mean) is switched off.
    """
    from datasets import Dataset
    from datasets.table import InMemoryTable
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    args = sft_config(job, plan)
    if WEIGHTS in table.column_names and (args.loss_type != "nll" or args.label_smoothing_factor):
        raise SrftError("training.options: loss weights go with the plain loss only (nll)")
    trainer = _trainer_class(plan, report)(
        model=model,
        args=args,
        train_dataset=Dataset(InMemoryTable(table), fingerprint=job.identity),
        processing_class=tokenizer,
        peft_config=None if job.method == "full" else lora_config(job),
        data_collator=with_weights(
            DataCollatorForLanguageModeling(
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id or 0,
                padding_free=plan.layout == "packed",
            )
        ),
        callbacks=[saving_callback(job.save_seconds)],
    )
    trainer.pop_callback(_printer_callback())
    return trainer


def _trainer_class(plan: Plan, report: Report) -> type:
    import torch
    from torch.utils.data import DataLoader
    from trl import SFTTrainer

    clock = Clock()

    class PlannedTrainer(SFTTrainer):
        """Feeds the groups of a plan, weighs tokens, scores only trained positions on a CPU."""

        def get_train_dataloader(self) -> DataLoader:
            rows: Any = self.train_dataset
            return DataLoader(rows, batch_sampler=plan.groups, collate_fn=self.data_collator)

        def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
            batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
            if batches and WEIGHTS in batches[0]:
                items = self.accelerator.gather(total_weight(batches).to(device)).sum()
            return batches, items

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            """Sum over the trained tokens by their number, or weight, in the optimizer step."""
            weights = inputs.pop(WEIGHTS, None)
            if self.args.device.type == "cpu" and plan.layout == "packed":
                loss = loss_of_trained(model, inputs, weights, num_items_in_batch)
            elif weights is not None:
                loss = weighted_loss(model, inputs, weights, num_items_in_batch)
            else:
                loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
                return self._finite(loss)
            self._total_train_tokens += real_tokens(inputs) * plan.ranks
            return self._finite(loss * self.accelerator.num_processes)

        def _finite(self, loss: Any) -> Any:
            if not torch.isfinite(loss):
                raise SrftError(
                    f"the loss is {loss.item()} at step {self.state.global_step + 1}: "
                    "lower training.learning_rate, or raise training.warmup_ratio"
                )
            return loss

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if "loss" in logs:
                history = self.state.log_history
                logs |= clock.lap(self._total_train_tokens, history[-1] if history else {})
                report(self.state.global_step, logs["loss"])
            super().log(logs, start_time)

    return PlannedTrainer


def _printer_callback() -> type:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
