"""Rate of our training step against TRL's own packing and against padding, on the same rows.

    python -m benchmarks.training TOKENIZER RUNS… [--steps 1] [--max-length 8192] [--rounds 2]

TOKENIZER is a model folder or a Hugging Face id with a chat template; RUNS are folders of recorded
runs, of which those within MAX_LENGTH tokens are taken. The model is a Llama of 6 layers with
random weights, in float32. Prints one JSON object: real tokens
(padding left out) a second, medians of alternating rounds in this process; the ratios; and the
share of padding. Each way takes the same rows once, 8 a step of ours. Ours and TRL's packing
("best fit, decreasing", its default) take MAX_LENGTH tokens a forward pass, padding 4 rows.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pyarrow as pa

from benchmarks.recorded import runs_below
from srft_assets.processes.child import quiet
from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.token_labels import IGNORED, MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.training.data import make_plan
from srft_assets.training.job import TrainingJob, shuffled
from srft_assets.training.model import register_segments

BATCH = 8
PADDED = 4
"""Rows of a forward pass where they are padded."""
VOCABULARY = 4096
"""Ids are folded into so many, so that the head has the share of the work that it has in
SmolLM2-135M (a fifth): with a tokenizer's 50,000 a small model would be little else."""


def rows_of(folders: list[Path], tokenizer: ChatTokenizer, max_length: int) -> pa.Table:
    """`input_ids` and `labels` of the runs that fit; every second step is masked."""
    runs = runs_below(folders)
    jobs = [Job(run, {s.step_index: s.step_index % 2 == 0 for s in run.steps}) for run in runs]
    rows = [row for row in mask_runs(jobs, tokenizer) if isinstance(row, MaskedRow)]
    fitting = [row for row in rows if row.n_tokens <= max_length and row.n_trained]
    cells = {"input_ids": [_folded(row) for row in fitting]}
    cells["labels"] = [_labels(row) for row in fitting]
    return pa.table(cells, pa.schema({name: pa.list_(pa.int32()) for name in cells}))


def _folded(row: MaskedRow) -> list[int]:
    return [token % VOCABULARY for token in row.input_ids]


def _labels(row: MaskedRow) -> list[int]:
    ids = _folded(row)
    labels = [IGNORED] * row.n_tokens
    for span in row.spans:
        if span.trained:
            start = max(span.start, 1)
            labels[start : span.end] = ids[start : span.end]
    return labels


def tiny(attention: str) -> Any:
    """A Llama small enough for a CPU."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=65_536,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation(attention)
    return model


class Ways:
    """The three ways to train the same rows; each returns real tokens and padding positions."""

    def __init__(self, table: pa.Table, tokenizer: Any, stated: argparse.Namespace, out: Path):
        self.table, self.tokenizer, self.out = table, tokenizer, out
        self.steps, self.limit = stated.steps, stated.max_length
        self.lengths = [len(ids) for ids in table["input_ids"]]
        self.order = shuffled(range(table.num_rows), self.steps * BATCH, seed=0)

    def ours(self) -> tuple[Any, int, int]:
        """Rows laid end to end, attention row by row, only trained positions scored."""
        from srft_assets.training.trainer import build_trainer

        job = TrainingJob(
            base_model="tiny",
            warehouse=self.out,
            asset="masked_tokens/benchmark",
            parts=[],
            order=self.order,
            output=self.out / "ours",
            max_steps=self.steps,
            batch_size=BATCH,
            micro_batch_tokens=self.limit,
            save_seconds=1e9,
        )
        plan = make_plan(self.order, self.lengths, batch_size=BATCH, micro_batch_tokens=self.limit)
        model = tiny(register_segments())
        trainer = build_trainer(job, model, self.tokenizer, self.table, plan, lambda *_: None)
        return trainer, sum(plan.step_tokens), 0

    def trl_packed(self) -> tuple[Any, int, int]:
        """TRL's packing, with the attention that a CPU has."""
        return self._trl(packing=True, per_device_train_batch_size=1)

    def trl_padded(self) -> tuple[Any, int, int]:
        """Rows padded to the longest of their forward pass."""
        return self._trl(packing=False, per_device_train_batch_size=PADDED)

    def _trl(self, **settings: Any) -> tuple[Any, int, int]:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        config = SFTConfig(
            output_dir=str(self.out / "trl"),
            max_length=self.limit,
            num_train_epochs=1,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            # A tokenizer's own padding is beyond the folded vocabulary.
            pad_token=self.tokenizer.convert_ids_to_tokens(0),
            **settings,
        )
        trainer = SFTTrainer(
            model=tiny("sdpa"),
            args=config,
            train_dataset=Dataset(self.table.take(self.order)),
            processing_class=self.tokenizer,
        )
        batches = [batch["input_ids"].numel() for batch in trainer.get_train_dataloader()]
        tokens = sum(self.lengths[row] for row in self.order)
        return trainer, tokens, sum(batches) - tokens


def measure(way: Callable[[], tuple[Any, int, int]]) -> tuple[float, float]:
    """Real tokens a second of the training loop, and the share of padding."""
    from transformers.trainer_callback import PrinterCallback

    trainer, tokens, padding = way()
    trainer.pop_callback(PrinterCallback)
    start = time.perf_counter()
    trainer.train()
    return tokens / (time.perf_counter() - start), padding / (tokens + padding)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=2)
    stated = parser.parse_args()
    quiet()
    tokenizer = load_tokenizer(stated.tokenizer)
    table = rows_of(stated.runs, tokenizer, stated.max_length)
    if not table.num_rows:
        parser.error(f"no run fits within {stated.max_length} tokens of {stated.tokenizer}")
    with TemporaryDirectory() as out:
        ways = Ways(table, tokenizer.hf, stated, Path(out))
        named = {"ours": ways.ours, "packed": ways.trl_packed, "padded": ways.trl_padded}
        rounds = [{name: measure(way) for name, way in named.items()} for _ in range(stated.rounds)]
    rates = {name: statistics.median(each[name][0] for each in rounds) for name in named}
    told = {
        "rows": table.num_rows,
        "tokens_of_a_row": round(statistics.mean(ways.lengths)),
        "tokens_per_second": {name: round(rate) for name, rate in rates.items()},
        "padding_share": {name: round(rounds[0][name][1], 4) for name in named},
        "ratio_to_trl_packing": round(rates["ours"] / rates["packed"], 2),
        "ratio_to_padding": round(rates["ours"] / rates["padded"], 2),
    }
    print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
