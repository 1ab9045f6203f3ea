"""What each format's reader makes of an export: `input_ids` and `labels` of every row.

axolotl by its own strategy, TRL by its own trainer and collator. OpenAI renders where nobody sees
it, and `messages` leaves it to the user: their chats are read back and masked once more.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from srft_assets.exports import FormatName
from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.token_labels import IGNORED, MaskedRow
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.trajectories.model import Step, Trajectory
from tests.exports import axolotl, trainers

Rows = list[tuple[list[int], list[int]]]
"""`input_ids` and `labels` of each row."""


def by_axolotl(exports: Mapping[FormatName, Path], tokenizer: Path) -> dict[FormatName, list[Rows]]:
    """By each release, with the YAML of the card; one process reads all formats."""
    found: dict[FormatName, list[Rows]] = {form: [] for form in exports}
    for release in axolotl.RELEASES if exports else ():
        pairs = [(out, tokenizer) for out in exports.values()]
        for form, rows in zip(exports, axolotl.read(release, *pairs), strict=True):
            found[form].append([(row["input_ids"], row["labels"]) for row in rows])
    return found


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


def by_columns(export: Path, _: Path) -> Rows:
    """`labels` of Parquet as they are, or the ids where SkyRL's `loss_mask` is 1."""
    rows = pl.read_parquet(f"{export}/data/*.parquet").to_dicts()
    return [(row["input_ids"], row.get("labels") or _labels(row)) for row in rows]


def _labels(row: dict[str, Any]) -> list[int]:
    pairs = zip(row["input_ids"], row["loss_mask"], strict=True)
    return [number if trained else IGNORED for number, trained in pairs]


def by_trainer(form: FormatName) -> Callable[[Path, Path], Rows]:
    """The trainer's own code in a process of its own."""

    def read(export: Path, tokenizer: Path) -> Rows:
        rows = trainers.read(form, export, tokenizer)
        return [(row["input_ids"], row["labels"]) for row in rows]

    return read


def by_datasets(export: Path, tokenizer: Path) -> Rows:
    """Chats read by `datasets`, masked by srft with what the messages say is trained."""
    from datasets import load_dataset

    with TemporaryDirectory() as scratch:
        rows = load_dataset(str(export), split="train", cache_dir=scratch).to_list()
    return _masked(rows, tokenizer)


def by_lines(export: Path, tokenizer: Path) -> Rows:
    """JSON Lines as OpenAI takes them, masked by srft with the weights of the messages.

    They end with the last answer. Some templates write the last turn otherwise, so each chat is
    read twice: as the end of its run, and with one more message behind.
    """
    files = sorted(export.glob("data/*.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    more = {"role": "user", "content": ""}
    longer = [{**row, "messages": [*row["messages"], more]} for row in rows]
    return _masked(rows, tokenizer) + _masked(longer, tokenizer)


def _masked(rows: list[dict[str, Any]], tokenizer: Path) -> Rows:
    found = list(mask_runs(map(_job, rows), load_tokenizer(tokenizer)))
    masked = [one for one in found if isinstance(one, MaskedRow)]
    assert len(masked) == len(found), [one for one in found if not isinstance(one, MaskedRow)][:1]
    return [(row.input_ids.tolist(), row.labels().tolist()) for row in masked]


BY_FORMAT = {
    FormatName.TRL: by_trl,
    FormatName.OPENAI: by_lines,
    FormatName.MESSAGES: by_datasets,
    FormatName.PARQUET: by_polars,
    FormatName.SKYRL: by_columns,
    FormatName.TOGETHER: by_columns,
}
"""Those that read one format."""
OF_TRAINERS = {
    form: by_trainer(form) for form in (FormatName.LLAMAFACTORY_TOKENS, FormatName.TINKER)
}
"""Those that take seconds to start, whose own tests are in test_trainer_tokens.py."""
AXOLOTL = (
    FormatName.AXOLOTL_TOKENS,
    FormatName.AXOLOTL_MESSAGES,
    FormatName.AXOLOTL_SPANS,
)
EXACT = (*BY_FORMAT, *OF_TRAINERS, *AXOLOTL)
"""Formats of which a reader makes exactly the labels that were verified, or the run is refused."""


def read_all(exports: Mapping[FormatName, Path], tokenizer: Path) -> dict[FormatName, list[Rows]]:
    """The rows of each export, once for each of its readers."""
    chats = {form: out for form, out in exports.items() if form in AXOLOTL}
    alone = BY_FORMAT | OF_TRAINERS
    found = {
        form: [alone[form](exports[form], tokenizer)] for form in exports.keys() - chats.keys()
    }
    return found | by_axolotl(chats, tokenizer)


def _job(row: dict[str, Any]) -> Job:
    messages = [{k: v for k, v in message.items() if v is not None} for message in row["messages"]]
    tools = row.get("tools")
    tools = json.loads(tools) if isinstance(tools, str) else tools
    places = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    steps = [Step(number, place, "") for number, place in enumerate(places)]
    weights = {step.step_index: float(messages[step.message_index]["weight"]) for step in steps}
    run = Trajectory("t", "t", "unknown", "messages", messages, steps, tools=tools)
    return Job(run, weights)
