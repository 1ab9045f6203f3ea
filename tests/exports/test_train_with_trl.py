"""The exported TRL set trains, with the script of the docs as it is printed there."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exports.conftest import Platform

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCRIPT = DOCS / "examples" / "train_with_trl.py"
LINES = 10


@pytest.fixture
def model(platform_with: Callable[..., Platform], tmp_path: Path) -> Path:
    """A tiny Llama with random weights and the tokenizer of the masks."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path / "model"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=2048,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_script_of_the_docs_trains(platform, model, tmp_path):
    platform.export("trl", tmp_path / "set")
    output = tmp_path / "trained"
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "OMP_NUM_THREADS": "1",
    }
    argv = [sys.executable, str(SCRIPT), str(tmp_path / "set"), str(model), str(output)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    before, after = weights(model), weights(output)
    assert any(not before[name].equal(after[name]) for name in before)


def test_trl_trains_on_the_labels_as_they_are_exported(platform, model, tmp_path):
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    platform.export("trl", tmp_path / "set")
    cache = str(tmp_path / "cache")
    rows = load_dataset(str(tmp_path / "set"), split="train", cache_dir=cache)
    options = {"max_steps": 6, "learning_rate": 3e-2, "logging_steps": 1, "use_cpu": True}
    config = SFTConfig(str(tmp_path / "out"), max_length=None, bf16=False, **options)
    trainer = SFTTrainer(str(model), config, train_dataset=rows)
    batch = next(iter(trainer.get_train_dataloader()))
    seen = {tuple(labels[labels != -100].tolist()) for labels in batch["labels"]}
    exported = {tuple(label for label in row["labels"] if label != -100) for row in rows}
    assert seen == exported
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]


def test_the_docs_print_the_script_and_it_is_short():
    source = SCRIPT.read_text()
    assert source in (DOCS / "exports.md").read_text()
    assert sum(bool(line.strip()) for line in source.splitlines()) <= LINES
