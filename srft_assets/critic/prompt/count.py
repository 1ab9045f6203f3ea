"""Counting tokens, for budgets."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError

Count = Callable[[str], int]
"""Text in, number of tokens out."""

BYTES_A_TOKEN = 3
"""Code and logs hold 3 to 4 bytes a token with today's tokenizers; 3 errs on the safe side."""


def estimate(text: str) -> int:
    """A third of the UTF-8 bytes, rounded up."""
    return tokens_of(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))


def tokens_of(size: int) -> int:
    """The estimate for so many bytes."""
    return -(-size // BYTES_A_TOKEN)


def counter(tokenizer: str | None) -> Count:
    """Counts with a `tokenizer.json` (a path, or its folder) or the tokenizer of a Hub id.

    None gives the estimate. Raises SrftError where there is no such tokenizer.
    """
    return estimate if tokenizer is None else _counter(tokenizer)


def counter_fingerprint(tokenizer: str | None) -> str:
    """What decides the counts, for provenance: of a local tokenizer 16 hex digits of its file.

    `hub:<id>` for a Hub id, which stands for itself: its file may not be here yet.
    """
    if tokenizer is None:
        return f"estimate: {BYTES_A_TOKEN} bytes"
    path = _local(tokenizer)
    if path is None:
        return f"hub:{tokenizer}"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=8)
def _counter(name: str) -> Count:
    path = _local(name) or _from_hub(name)
    loaded = _load(path)

    def count(text: str) -> int:
        return len(loaded.encode(text, add_special_tokens=False).ids)

    return count


def _local(name: str) -> Path | None:
    path = Path(name).expanduser()
    if path.is_dir():
        path = path / "tokenizer.json"
    if path.is_file():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or path.suffix == ".json":
        raise SrftError(f"no tokenizer at {path}: context.tokenizer wants a tokenizer.json")
    return None


def _from_hub(name: str) -> Path:
    """From the Hub's cache on this machine, else from the Hub."""
    from httpx import HTTPError
    from huggingface_hub import hf_hub_download

    try:
        try:
            return Path(hf_hub_download(name, "tokenizer.json", local_files_only=True))
        except OSError:
            return Path(hf_hub_download(name, "tokenizer.json"))
    except (HTTPError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise SrftError(
            f"no tokenizer {name}: no such file, and the Hugging Face Hub gives none ({reason})"
        ) from error


def _load(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise SrftError(f"{path} is no tokenizer.json: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
