"""Where the model lies that an arm names, and what identifies its tokenizer."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.store import ONLY

Read = Callable[[str, str], pl.DataFrame]
"""Rows of a partition, by asset and partition: `Work.read`, or `Warehouse.read`."""


FILES = (
    "added_tokens.json",
    "additional_chat_templates/*.jinja",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)
"""What decides token ids and rendering, in the layout of the Hugging Face Hub."""


def is_base_model_asset(model: str) -> bool:
    """Whether an arm's model names an asset `base_models/<name>`, not a folder or a Hub id."""
    return "/" not in model and not Path(model).is_dir()


def model_source(model: str, home: Home, read: Read) -> str:
    """The folder or the Hugging Face id of the model that an arm names.

    Raises SrftError where it is an asset that was never made, or whose folder is gone.
    """
    if not is_base_model_asset(model):
        return model
    try:
        rows = read(f"base_models/{model}", ONLY)
    except FileNotFoundError:
        rows = pl.DataFrame()
    folder = home.root / rows["path"][0] if rows.height else None
    if folder is None or not folder.is_dir():
        raise SrftError(f"the base model {model} has no folder: srft apply base_models/{model}")
    return str(folder)


def tokenizer_fingerprint(source: Path | str) -> str:
    """16 hex digits over the tokenizer files of a local folder, or `hub:<id>`.

    Needs no transformers, so that a plan is quick. An id on the Hub stands for itself: its files
    may not be here yet.
    """
    folder = Path(source)
    if not folder.is_dir():
        return f"hub:{source}"
    files = sorted(path for pattern in FILES for path in folder.glob(pattern) if path.is_file())
    stats = tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _files_digest(str(folder), stats)


@lru_cache(maxsize=64)
def _files_digest(folder: str, stats: tuple[tuple[str, int, int], ...]) -> str:
    sha = hashlib.sha256()
    for name, _, size in stats:
        sha.update(f"{Path(name).relative_to(folder).as_posix()} {size}\n".encode())
        sha.update(Path(name).read_bytes())
    return sha.hexdigest()[:16]
