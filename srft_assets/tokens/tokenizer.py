"""Loading a model's own tokenizer and chat template."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from srft_assets.errors import SrftError
from srft_assets.tokens.vocabulary import prepends_space, token_bytes

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


@dataclass(frozen=True, eq=False)
class ChatTokenizer:
    """A fast tokenizer with the chat template that its model was trained on.

    Attributes:
        name: the folder or the Hugging Face id it came from.
        hf: the transformers tokenizer.
    """

    name: str
    hf: Any = field(repr=False)

    @property
    def backend(self) -> Any:
        """The `tokenizers.Tokenizer` underneath."""
        return self.hf.backend_tokenizer

    @cached_property
    def literal_backend(self) -> Any:
        """A copy that reads special tokens in a text as the ordinary text they are."""
        from tokenizers import Tokenizer

        copy = Tokenizer.from_str(self.backend.to_str())
        copy.no_padding()
        copy.no_truncation()
        copy.encode_special_tokens = True
        return copy

    @cached_property
    def token_bytes(self) -> list[bytes] | None:
        """Token id → the bytes it stands for; see `vocabulary`."""
        return token_bytes(self.backend)

    @cached_property
    def token_lengths(self) -> np.ndarray:
        """Token id → how many bytes it stands for (int64)."""
        return np.array([len(one) for one in self.token_bytes or []], dtype=np.int64)

    @cached_property
    def prepends_space(self) -> bool:
        """Whether it puts a space before a stretch of text."""
        return prepends_space(self.backend)

    @cached_property
    def special_ids(self) -> dict[str, int]:
        """Text of each special token → id."""
        added = self.hf.added_tokens_decoder.items()
        return {token.content: int(number) for number, token in added if token.special}

    @cached_property
    def special_pattern(self) -> re.Pattern[str]:
        """Matches any special token, longer ones first."""
        longest_first = sorted(self.special_ids, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @cached_property
    def greedy_specials(self) -> bool:
        """Whether some special token takes in the white space beside it."""
        added = self.hf.added_tokens_decoder.values()
        return any(token.special and (token.lstrip or token.rstrip) for token in added)

    @cached_property
    def stop_tokens(self) -> frozenset[str]:
        """Texts of the tokens at which the model is to stop, as its files state them.

        Llama 3.1 has three: `generation_config.json` lists `<|eom_id|>`, which ends a tool call.
        """
        text_of = {number: text for text, number in self.special_ids.items()}
        ids = [self.hf.eos_token_id, *_stated_stops(Path(self.name))]
        return frozenset(text_of[number] for number in ids if number in text_of)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens. They follow a special token, as the tokens of a turn do: a
        decoder that drops a leading space drops none of theirs."""
        before, number = next(iter(self.special_ids.items()), ("", None))
        if number is None:
            return self.backend.decode(list(ids), skip_special_tokens=False)
        text = self.backend.decode([number, *ids], skip_special_tokens=False)
        return text.removeprefix(before)

    def template(self, tools: list[dict[str, Any]] | None) -> str:
        """Source of the chat template that suits the tools offered."""
        return self.hf.get_chat_template(tools=tools)

    def normalized(self, text: str) -> str:
        """The text as the tokenizer's own normalizer (NFC, for instance) sees it."""
        normalizer = self.backend.normalizer
        return text if normalizer is None else normalizer.normalize_str(text)


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


def _stated_stops(folder: Path) -> list[int]:
    """`eos_token_id` of the folder's `generation_config.json`, as a list."""
    path = folder / "generation_config.json"
    if not path.is_file():
        return []
    try:
        stated = orjson.loads(path.read_bytes()).get("eos_token_id")
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise SrftError(f"{path.name} of {folder} is not JSON: {error}") from error
    return stated if isinstance(stated, list) else [stated]


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
