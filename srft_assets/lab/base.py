"""`base_models/tiny`: the base model of the embedded default, shipped in this package."""

import hashlib
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.errors import SrftError
from srft_assets.files import replacing
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
`python -m tools.base_model --check`, in a checkout, makes it again and compares every byte.
"""


def base_models_stage() -> Stage:
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


SHIPPED = Path(__file__).with_name("base_weights")

FACTS = "facts.json"
"""Columns of the model's row, and `sha256` of every other file of its folder."""


@cache
def shipped_facts() -> dict[str, Any]:
    """What was said of the shipped model when it was made."""
    facts: dict[str, Any] = orjson.loads((SHIPPED / FACTS).read_bytes())
    return facts


def digests(folder: Path) -> dict[str, str]:
    """File name → SHA-256 of every file but the facts."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != FACTS
    }


def copy_shipped(folder: Path) -> None:
    """Copy the shipped model to `folder`, which appears whole; a whole copy stays as it is.

    Raises SrftError where the package's files are not those that were shipped.
    """
    if folder.exists() and digests(folder) == shipped_facts()["sha256"]:
        return
    with replacing(folder) as beside:
        # Not the package's modes: it may be read-only.
        shutil.copytree(SHIPPED, beside, copy_function=shutil.copyfile)
        found = digests(beside)
        for name, wanted in shipped_facts()["sha256"].items():
            if found.get(name) != wanted:
                raise SrftError(f"{SHIPPED / name} is not as it was shipped: install srft again")
