"""`base_models/tiny`: the base model of the embedded default, made on this machine."""

import sys
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.agent.whole_file import put_whole
from srft_assets.errors import SrftError
from srft_assets.lab.base_main import FACTS
from srft_assets.lab.base_settings import BaseSettings
from srft_assets.lab.collect import lab_code
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.stage import Made, Stage, Work

NAME = "tiny"

BASE_MODELS = pl.Schema(
    {
        "name": pl.String,
        "path": pl.String,
        "architecture": pl.String,
        "parameters": pl.Int64,
        "vocabulary": pl.Int32,
        "final_loss": pl.Float64,
        "seconds": pl.Float64,
    }
)
"""`path` is the folder of weights and tokenizer, relative to the platform's root."""

VOLATILE = ("path", "seconds")
"""Columns that say nothing about the weights; `final_loss`, to the last bit, does."""

MODULES = tuple(
    f"srft_assets.lab.{name}"
    for name in (
        "base_drills",
        "base_explore",
        "base_induction",
        "base_model",
        "base_pretrain",
        "base_texts",
        "base_tokenizer",
        "rehearsal",
        "transcripts",
    )
)

DESCRIPTION = """
A Llama-class model of under a million weights with a byte-level BPE tokenizer of its own, made on
this machine in half a minute. It is trained on look-up drills and on chats that explore
generated repositories without mending anything: it knows the format and can copy, and solves
next to nothing. All arms start from it.
"""


def base_models_stage(settings: BaseSettings | None = None) -> Stage:
    """The stage of the tiny base model."""
    chosen = settings or BaseSettings()
    return Stage(
        key=f"base_models/{NAME}",
        partitioned_by="none",
        upstream=(),
        schema=BASE_MODELS,
        code={"base model": code_digest(*MODULES), "lab": lab_code()},
        make=lambda work: _make(chosen, work),
        config=chosen.model_dump(),
        volatile=VOLATILE,
        description=DESCRIPTION.strip(),
        kinds=frozenset({"pytorch", "huggingface"}),
    )


def _make(settings: BaseSettings, work: Work) -> Made:
    folder = work.home.artifacts / "base_models" / NAME / work.recipe.fingerprint[:16]
    if not (folder / FACTS).exists():
        _build(settings, folder, work)
    facts: dict[str, Any] = orjson.loads((folder / FACTS).read_bytes())
    path = str(folder.relative_to(work.home.root))
    frame = pl.DataFrame([{"name": NAME, "path": path, **facts}], schema=BASE_MODELS)
    return Made(frame, metadata={**facts, "path": path})


def _build(settings: BaseSettings, folder: Path, work: Work) -> None:
    stated = folder.parent / f"{folder.name}.settings.json"
    put_whole(stated, settings.model_dump_json(indent=2).encode())
    work.launch(
        [sys.executable, "-m", "srft_assets.lab.base_main", str(stated), str(folder)],
        {},
    )
    if not (folder / FACTS).exists():
        raise SrftError(f"the base model was not made: {folder} is missing")
    stated.unlink(missing_ok=True)
