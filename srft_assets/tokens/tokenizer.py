"""Loading a model's own tokenizer and chat template."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.tokens.chat_tokenizer import ChatTokenizer

__all__ = ["ChatTokenizer", "kept_tokenizer", "load_tokenizer", "tokenizer_fingerprint"]

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


def load_tokenizer(source: Path | str) -> ChatTokenizer:
    """The tokenizer of a local model folder or of a Hugging Face id.

    Raises SrftError where there is none, where it has no chat template, or where it is not a
    fast one: without character offsets no mask can be exact.
    """
    name = str(source)
    hf = _from_files(name) if Path(name).is_dir() else _from_hub(name)
    if not hf.is_fast:
        raise SrftError(f"the tokenizer of {name} has no fast version (tokenizer.json)")
    if not hf.chat_template:
        raise SrftError(
            f"the tokenizer of {name} has no chat template: "
            "take an instruct model, or put chat_template.jinja beside its tokenizer.json"
        )
    hf.backend_tokenizer.no_truncation()
    hf.backend_tokenizer.no_padding()
    return ChatTokenizer(name, hf)


def kept_tokenizer(source: Path | str) -> ChatTokenizer:
    """The same, loaded once for all batches that a process masks one after the other, for as long
    as its files are what they were.
    """
    return _kept(str(source), tokenizer_fingerprint(source))


@lru_cache(maxsize=1)
def _kept(source: str, fingerprint: str) -> ChatTokenizer:
    return load_tokenizer(source)


def _from_files(name: str) -> Any:
    """From a folder, or from the Hub's cache on this machine."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise SrftError(f"cannot load a tokenizer from {name}: {_first_line(error)}") from error


def _from_hub(name: str) -> Any:
    """From the cache, else from the Hub, asked once so that offline machines need not wait."""
    from httpx import HTTPError
    from huggingface_hub import HfApi, snapshot_download

    try:
        return _from_files(name)
    except SrftError:
        pass
    try:
        HfApi().model_info(name, timeout=10)
        snapshot_download(name, allow_patterns=["*.json", "*.jinja", "*.txt", "*.model"])
    except (HTTPError, OSError, ValueError) as error:
        raise SrftError(
            f"no tokenizer {name}: no such folder, and the Hugging Face Hub does not give it "
            f"({_first_line(error)})"
        ) from error
    return _from_files(name)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


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
