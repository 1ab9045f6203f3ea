"""Loading a model's own tokenizer and chat template."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.tokens.chat_tokenizer import ChatTokenizer
from srft_assets.tokens.model_folder import tokenizer_fingerprint

__all__ = ["ChatTokenizer", "kept_tokenizer", "load_tokenizer", "tokenizer_fingerprint"]


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
