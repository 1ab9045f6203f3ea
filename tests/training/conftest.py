"""A tiny Llama, a word-level tokenizer, and masked token partitions as the platform writes them."""

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.data import load_rows
from srft_assets.training.job import TrainingJob, shuffled
from srft_assets.training.rows import Selection, hold_out, parts_of, select_rows
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe

os.environ["HF_HUB_OFFLINE"] = "1"

VOCABULARY = 64


class Heard:
    """Keeps what a training tells: step, number of steps, loss; and of validations step, loss,
    losses of labels."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, float]] = []
        self.validations: list[tuple[int, float, dict[str, float]]] = []

    def __call__(
        self, step: int, of: int, loss: float, by_label: dict[str, float] | None = None
    ) -> None:
        if by_label is None:
            self.told.append((step, of, loss))
        else:
            self.validations.append((step, loss, by_label))

    @property
    def steps(self) -> list[int]:
        return [step for step, _, _ in self.told]


Span = tuple[int, int, bool]
Row = tuple[list[int], list[Span]]


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Llama of 30,000 random weights and its tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    words = {"<pad>": 0, "<eos>": 1, **{f"w{n}": n for n in range(2, VOCABULARY)}}
    backend = Tokenizer(models.WordLevel(words, unk_token="w2"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_rows(count: int, seed: int = 0) -> list[Row]:
    """Rows of 20–60 tokens with a trained and a masked turn each; every third token repeats."""
    generator = random.Random(seed)
    rows = []
    for _ in range(count):
        length = generator.randint(20, 60)
        ids = [generator.randrange(2, VOCABULARY) for _ in range(length)]
        ids = [ids[n - n % 3] for n in range(length)]
        middle = length // 2
        rows.append((ids, [(5, middle, True), (middle + 2, length - 1, False)]))
    return rows


def frame_of(rows: list[Row]) -> pl.DataFrame:
    """The rows as a `masked_tokens` partition."""
    return pl.DataFrame([_cells(number, *row) for number, row in enumerate(rows)], MASKED_TOKENS)


def _cells(number: int, ids: list[int], spans: list[Span]) -> dict[str, object]:
    return {
        "trajectory_id": f"task-{number}.{number:012x}",
        "instance_id": f"task-{number}",
        "status": "resolved",
        "input_ids": ids,
        "spans": [
            {
                "step_index": step,
                "start": start,
                "end": end,
                "trained": trained,
                "label": "good" if trained else "mistake",
            }
            for step, (start, end, trained) in enumerate(spans)
        ],
        "n_tokens": len(ids),
        "n_trained": sum(end - start for start, end, trained in spans if trained),
        "n_masked": sum(end - start for start, end, trained in spans if not trained),
    }


def put(home: Home, asset: str, partition: str, frame: pl.DataFrame, **figures: float) -> Path:
    """Write a partition into the home's warehouse, stamped, with the figures that it tells."""
    recipe = Recipe()
    version = data_version(frame)
    stamp = Stamp(
        recipe, recipe.fingerprint, version, frame.height, "test", "2026-01-01", (), figures
    )
    return Warehouse(home.warehouse).write(asset, partition, frame, stamp)


def select(*partitions: tuple[str, pl.DataFrame], **settings: object) -> Selection:
    """What an arm with these settings chooses; a row of over 100 tokens is too long."""
    arm = ArmSpec(name="srft", training=TrainingSpec(max_length=100), **settings)
    return select_rows(arm, partitions)


def labelled(
    home: Home, *partitions: tuple[str, pl.DataFrame], normalise: str = "token"
) -> pa.Table:
    """The labels and weights that a training loads of these partitions, chosen by their parent."""
    for batch, frame in partitions:
        put(home, "masked_tokens/srft", batch, frame)
    versions = {batch: data_version(frame) for batch, frame in partitions}
    job = TrainingJob(
        base_model="none",
        warehouse=home.warehouse,
        asset="masked_tokens/srft",
        parts=parts_of(select(*partitions).rows, versions, normalise),
        order=[],
        output=home.artifacts / "out",
    )
    return load_rows(job)[0]


def small_job(
    base_model: Path,
    home: Home,
    rows: list[Row] | pl.DataFrame,
    /,
    name: str = "out",
    normalise: str = "token",
    validation: dict[str, object] | None = None,
    **settings: object,
) -> TrainingJob:
    """A job over the rows; further settings by name, `tasks` of `validation` as an arm has them."""
    frame = frame_of(rows) if isinstance(rows, list) else rows
    asset, versions = f"masked_tokens/{name}", {"lab-1": data_version(frame)}
    put(home, asset, "lab-1", frame)
    arm = ArmSpec(name=name, training=TrainingSpec(max_length=10**6))
    selection = select_rows(arm, [("lab-1", frame)])
    if validation is not None:
        selection, scored = hold_out(selection, selection.within, validation["tasks"])
        held_out = {
            "asset": asset,
            "parts": parts_of(scored, versions, normalise),
            "tasks": sorted(scored["instance_id"].unique()),
        }
        validation = {**validation, **held_out}
    stated = {
        "base_model": str(base_model),
        "warehouse": home.warehouse,
        "asset": asset,
        "parts": parts_of(selection.rows, versions, normalise),
        "validation": validation,
        "output": home.artifacts / name,
        "max_steps": 4,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "seed": 0,
        **settings,
    }
    wanted = stated["max_steps"] * stated["batch_size"]
    stated["order"] = shuffled(range(selection.rows.height), wanted, stated["seed"])
    return TrainingJob.model_validate(stated)


MakeJob = Callable[..., TrainingJob]


@pytest.fixture
def job(base_model: Path, home: Home) -> MakeJob:
    """`small_job` in this test's home."""
    return partial(small_job, base_model, home)
