"""TRL's own packing over the rows of a training job: `python -m tools.gpu.packing JOB.json`.

The rows, the model, the adapters, the tokens of a forward pass and the rows of a step are those of
the job. Prints one JSON object. TRL's packing keeps rows apart only with flash attention; without
it they see each other, and the attention is told.
"""

import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from srft_assets.processes.child import quiet
from srft_assets.training.data import load_rows
from srft_assets.training.job import TrainingJob
from srft_assets.training.options import check_options


def main(path: Path) -> None:
    """Train as many steps as the job, and tell the pace."""
    quiet()
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Ends(TrainerCallback):
        """When each optimizer step ended."""

        def __init__(self) -> None:
            self.at = [time.perf_counter()]

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.at.append(time.perf_counter())

    ends = Ends()
    job = TrainingJob.model_validate_json(path.read_bytes())
    table, _ = load_rows(job)
    gpu = torch.cuda.is_available()
    attention = "flash_attention_2" if gpu and find_spec("flash_attn") else "sdpa"
    model = AutoModelForCausalLM.from_pretrained(
        job.base_model,
        dtype=torch.bfloat16 if gpu else torch.float32,
        attn_implementation=attention,
    )
    lora = LoraConfig(
        r=job.lora_rank,
        lora_alpha=job.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    rows = table.select(["input_ids", "labels"]).take(job.order)
    lengths = [len(ids) for ids in rows["input_ids"]]
    limit = max(job.micro_batch_tokens, *lengths)
    packs = max(1, round(sum(lengths) / limit / job.max_steps))
    stated: dict[str, Any] = {
        "max_length": limit,
        "packing": True,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": packs,
        "num_train_epochs": 1,
        "learning_rate": job.learning_rate,
        "bf16": gpu,
        "use_cpu": not gpu,
        "gradient_checkpointing": gpu,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }
    with tempfile.TemporaryDirectory() as out:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(output_dir=out, **{**stated, **check_options(job.options)}),
            train_dataset=Dataset(rows),
            processing_class=AutoTokenizer.from_pretrained(job.base_model),
            peft_config=None if job.method == "full" else lora,
            callbacks=[ends],
        )
        trainer.train()
    # As of ours: without the first step, which warms up.
    steps, timed = len(ends.at) - 1, ends.at[1:] if len(ends.at) > 2 else ends.at
    tokens = sum(lengths) * (len(timed) - 1) / steps
    pace = {"tokens a second": tokens / (timed[-1] - timed[0])}
    print(orjson.dumps({**pace, "attention": attention, "packs a step": packs}).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
