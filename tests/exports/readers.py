"""What each format's reader makes of an export: `input_ids` and `labels` of every row.

axolotl by its own strategy, TRL by its own trainer and collator. OpenAI renders where nobody sees
it, and `messages` leaves it to the user: their chats are read by `datasets` and masked once more.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.trajectories.model import Step, Trajectory
from tests.exports import axolotl

Rows = list[tuple[list[int], list[int]]]
"""`input_ids` and `labels` of each row."""


def by_axolotl(release: str, export: Path, tokenizer: Path) -> Rows:
    """By that release, with the YAML of the card."""
    (rows,) = axolotl.read(release, (export, tokenizer))
    return [(row["input_ids"], row["labels"]) for row in rows]


def by_trl(export: Path, tokenizer: Path) -> Rows:
    """The batches of TRL's trainer, each of one row; a model of a few weights stands for any."""
    from datasets import load_dataset
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    with TemporaryDirectory() as scratch:
        rows = load_dataset(str(export), split="train", cache_dir=scratch)
        sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
        config = LlamaConfig(vocab_size=8, num_attention_heads=1, **sizes)
        options: dict[str, Any] = {"per_device_train_batch_size": 1, "report_to": []}
        asked = SFTConfig(scratch, max_length=None, use_cpu=True, bf16=False, **options)
        words = AutoTokenizer.from_pretrained(tokenizer)
        model = LlamaForCausalLM(config)
        trainer = SFTTrainer(model, asked, train_dataset=rows, processing_class=words)
        batches = list(trainer.get_train_dataloader())
    return [(one["input_ids"][0].tolist(), one["labels"][0].tolist()) for one in batches]


def by_polars(export: Path, _: Path) -> Rows:
    """As the card of `parquet` says: the ids of the trained spans, and -100 elsewhere."""
    rows = map(MaskedRow.from_row, pl.read_parquet(f"{export}/data/*.parquet").to_dicts())
    return [(row.input_ids.tolist(), row.labels().tolist()) for row in rows]


def by_masking(export: Path, tokenizer: Path) -> Rows:
    """Chats read by `datasets`, masked by srft with what the messages say is trained."""
    from datasets import load_dataset

    with TemporaryDirectory() as scratch:
        rows = load_dataset(str(export), split="train", cache_dir=scratch).to_list()
    jobs = [_job(row) for row in rows]
    found = list(mask_runs(jobs, load_tokenizer(tokenizer)))
    masked = [one for one in found if isinstance(one, MaskedRow)]
    assert len(masked) == len(found), [one for one in found if not isinstance(one, MaskedRow)][:1]
    return [(row.input_ids.tolist(), row.labels().tolist()) for row in masked]


def _job(row: dict[str, Any]) -> Job:
    messages = [{k: v for k, v in message.items() if v is not None} for message in row["messages"]]
    tools = row.get("tools")
    tools = json.loads(tools) if isinstance(tools, str) else tools
    places = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    steps = [Step(number, place, "") for number, place in enumerate(places)]
    weights = {step.step_index: float(messages[step.message_index]["weight"]) for step in steps}
    run = Trajectory("t", "t", "unknown", "messages", messages, steps, tools=tools)
    return Job(run, weights)
