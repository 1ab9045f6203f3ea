"""TRL's SFTTrainer over rows that are already tokenized, masked and planned."""

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob
from srft_assets.training.plan import Plan
from srft_assets.training.rows import IGNORED
from srft_assets.training.settings import lora_config, sft_config

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

    trainer = _trainer_class(plan, report)(
        model=model,
        args=sft_config(job, plan),
        train_dataset=Dataset(InMemoryTable(table), fingerprint=job.identity),
        processing_class=tokenizer,
        peft_config=lora_config(job) if job.method == "lora" else None,
        data_collator=DataCollatorForLanguageModeling(
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id or 0,
            padding_free=plan.layout == "packed",
        ),
        callbacks=[_saving_callback(job.save_seconds)],
    )
    trainer.pop_callback(_printer_callback())
    return trainer


def _trainer_class(plan: Plan, report: Report) -> type:
    import torch
    from torch.utils.data import DataLoader
    from trl import SFTTrainer

    clock = Clock()

    class PlannedTrainer(SFTTrainer):
        """Feeds the groups of a plan, and scores only trained positions on a CPU."""

        def get_train_dataloader(self) -> DataLoader:
            rows: Any = self.train_dataset
            return DataLoader(rows, batch_sampler=plan.groups, collate_fn=self.data_collator)

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            """Sum over the trained tokens by their number in the whole optimizer step."""
            if self.args.device.type == "cpu" and plan.layout == "packed":
                loss = _loss_of_trained(model, inputs, num_items_in_batch)
                self._total_train_tokens += inputs["input_ids"].numel()
            else:
                loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
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


def _loss_of_trained(model: Any, inputs: dict[str, Any], total: Any) -> Any:
    """Negative log-likelihood of the trained tokens of one packed sequence, over `total`.

    TRL projects every position on a CPU, which is most of the work where few are trained.
    """
    from torch.nn.functional import cross_entropy

    labels = inputs["labels"][0, 1:]
    kept = (labels != IGNORED).nonzero()[:, 0]
    rest = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**rest, use_cache=False, logits_to_keep=kept).logits
    return cross_entropy(logits[0].float(), labels[kept], reduction="sum") / total


def _saving_callback(save_seconds: float) -> Any:
    from transformers import TrainerCallback

    class SaveByTime(TrainerCallback):
        """Asks for a resumable state when `save_seconds` have gone by."""

        def __init__(self) -> None:
            self.last = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            if time.monotonic() - self.last >= save_seconds and state.global_step < state.max_steps:
                control.should_save = True
                self.last = time.monotonic()
            return control

    return SaveByTime()


def _printer_callback() -> type:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
