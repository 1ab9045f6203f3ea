"""The base model that lies in the package: weights, tokenizer and what is said of them."""

import hashlib
import shutil
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import SrftError

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
    beside = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.tmp"
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Not the package's modes: it may be read-only.
        shutil.copytree(SHIPPED, beside, copy_function=shutil.copyfile)
        found = digests(beside)
        for name, wanted in shipped_facts()["sha256"].items():
            if found.get(name) != wanted:
                raise SrftError(f"{SHIPPED / name} is not as it was shipped: install srft again")
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
