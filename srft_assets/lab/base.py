"""`base_models/tiny`: the base model of the embedded default, as it is shipped."""

from typing import Any

import polars as pl

from srft_assets.lab.base_shipped import copy_shipped, shipped_facts
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
    }
)
"""`path` is the folder of weights and tokenizer, relative to the platform's root."""

VOLATILE = ("path",)
"""Column that says nothing about the weights; `final_loss`, to the last bit, does."""

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
A Llama-class model of under a million weights with a byte-level BPE tokenizer of its own. It was
trained on look-up drills and on chats that explore generated repositories without mending
anything: it knows the format and can copy, and solves next to nothing. All arms start from it.
`python -m srft_assets.lab.base_main --check` makes it again and compares every byte.
"""


def base_models_stage() -> Stage:
    """The stage of the tiny base model."""
    return Stage(
        key=f"base_models/{NAME}",
        partitioned_by="none",
        upstream=(),
        schema=BASE_MODELS,
        code={"version": VERSION},
        make=_make,
        config={"sha256": shipped_facts()["sha256"]},
        volatile=VOLATILE,
        pool="training",
        description=DESCRIPTION.strip(),
        kinds=frozenset({"pytorch", "huggingface"}),
    )


def _make(work: Work) -> Made:
    folder = work.home.artifacts / "base_models" / NAME / work.recipe.fingerprint[:16]
    copy_shipped(folder)
    facts: dict[str, Any] = shipped_facts()
    path = str(folder.relative_to(work.home.root))
    row = {key: facts[key] for key in BASE_MODELS.names() if key in facts}
    frame = pl.DataFrame([{"name": NAME, "path": path, **row}], schema=BASE_MODELS)
    return Made(frame, metadata={**row, "path": path})
