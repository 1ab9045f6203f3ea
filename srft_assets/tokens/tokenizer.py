"""A model's own tokenizer: where its files lie, how it is loaded, what is asked of it."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from srft_assets.errors import SrftError, headline
from srft_assets.home import Home
from srft_assets.warehouse.partitions import ONLY

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

SPACE = "\u2581"
"""SentencePiece's sign for a space."""
BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""A token of a SentencePiece vocabulary that stands for one byte."""


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
        """A copy of `backend` that reads special tokens in a text as ordinary text."""
        from tokenizers import Tokenizer

        stated = orjson.loads(self.backend.to_str())
        for token in stated["added_tokens"]:
            token["special"] = token["content"] in self.special_ids
        copy = Tokenizer.from_str(orjson.dumps(stated).decode())
        copy.encode_special_tokens = True
        return copy

    @cached_property
    def token_bytes(self) -> np.ndarray | None:
        """The bytes that each token id stands for (an array of `bytes`), or None.

        In a byte-level vocabulary (GPT-2's alphabet) and in one with byte fallback
        (SentencePiece) a token always stands for the same bytes. It is a guess about the
        tokenizer: whoever uses it compares the bytes with the text, which a normalizer or a
        prefixed space changes. None for decoders of another kind.
        """
        stated = orjson.loads(self.backend.to_str())
        decoder = orjson.dumps(stated.get("decoder"))
        if b'"ByteLevel"' in decoder:
            read = _byte_level_bytes
        elif b'"ByteFallback"' in decoder:
            read = _fallback_bytes
        else:
            return None
        vocabulary = self.backend.get_vocab()
        added = {token["id"]: token["content"] for token in stated["added_tokens"]}
        table = np.full(max([*added, *vocabulary.values()], default=-1) + 1, b"", dtype=object)
        for token, number in vocabulary.items():
            table[number] = added[number].encode() if number in added else read(token)
        return table

    @cached_property
    def token_lengths(self) -> np.ndarray:
        """How many bytes each token id stands for (int64); none where `token_bytes` is None."""
        known = [] if self.token_bytes is None else self.token_bytes.tolist()
        return np.array(list(map(len, known)), dtype=np.int64)

    @cached_property
    def prepends_space(self) -> bool:
        """Whether it puts a space before a text, as SentencePiece does."""
        tokens = self.backend.encode("a", add_special_tokens=False).tokens
        return bool(tokens) and tokens[0].startswith((SPACE, "Ġ"))

    @cached_property
    def special_ids(self) -> dict[str, int]:
        """Text of each special token → id, whether its file flags it or not.

        DeepSeek's `<｜User｜>` and Qwen's `<tool_call>` are not flagged, and steer the model all
        the same: so does every token that was added to the vocabulary, or that a template writes.
        What Gemma adds is in its vocabulary (`<table>`, runs of blanks): pieces of text.
        """
        words = self.backend.get_vocab(with_added_tokens=False)
        templates = self.hf.chat_template
        written = "".join(templates.values() if isinstance(templates, dict) else [templates or ""])

        def steers(token: Any) -> bool:
            if token.special or not token.content.strip(f"{SPACE} \t\r\n"):
                return bool(token.special)
            return token.content not in words or token.content in written

        added = self.hf.added_tokens_decoder.items()
        return {token.content: int(number) for number, token in added if steers(token)}

    @cached_property
    def special_pattern(self) -> re.Pattern[str]:
        """Matches any special token, longer ones first."""
        longest_first = sorted(self.special_ids, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @cached_property
    def greedy_specials(self) -> bool:
        """Whether some special token takes in the white space beside it."""
        added = self.hf.added_tokens_decoder
        return any(added[one].lstrip or added[one].rstrip for one in self.special_ids.values())

    @cached_property
    def stop_tokens(self) -> frozenset[str]:
        """Texts of the tokens at which the model is to stop, as its files state them.

        Llama 3.1 has three: `generation_config.json` lists `<|eom_id|>`, which ends a tool call.
        """
        text_of = {number: text for text, number in self.special_ids.items()}
        ids = [self.hf.eos_token_id, *_stated_stops(Path(self.name))]
        return frozenset(text_of[number] for number in ids if number in text_of)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens of a turn, special tokens included.

        They are decoded behind a special token, as they stand in a chat: some decoders drop a
        space at the very start of a text.
        """
        before, number = next(iter(self.special_ids.items()), ("", None))
        whole = list(ids) if number is None else [number, *ids]
        return self.backend.decode(whole, skip_special_tokens=False).removeprefix(before)

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


def kept_tokenizer(source: Path | str) -> ChatTokenizer:
    """`load_tokenizer`, once for all batches that a process masks one after the other; again
    where the files have changed since."""
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
        raise SrftError(f"cannot load a tokenizer from {name}: {headline(error)}") from error


def _from_hub(name: str) -> Any:
    """From the cache, else from the Hub, which is asked once: an offline machine need not wait."""
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
            f"({headline(error)})"
        ) from error
    return _from_files(name)


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


@lru_cache(maxsize=1)
def _bytes_of_characters() -> dict[str, int]:
    """GPT-2's alphabet, in which every byte is a printable character."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return {char: byte for byte, char in bytes_to_unicode().items()}


def _byte_level_bytes(token: str) -> bytes:
    """The bytes of a token; a token with characters beyond the alphabet stands for its text."""
    try:
        return bytes(map(_bytes_of_characters().__getitem__, token))
    except KeyError:
        return token.encode()


def _fallback_bytes(token: str) -> bytes:
    found = BYTE.fullmatch(token)
    return bytes([int(found[1], 16)]) if found else token.replace(SPACE, " ").encode()


def is_base_model_asset(model: str) -> bool:
    """Whether an arm's model names an asset `base_models/<name>`, not a folder or a Hub id."""
    return "/" not in model and not Path(model).is_dir()


def model_source(model: str, home: Home, read: Callable[[str, str], pl.DataFrame]) -> str:
    """The folder or the Hugging Face id of the model that an arm names.

    `read` gives the rows of a partition, by asset and partition: `Work.read`, `Warehouse.read`.
    Raises SrftError where the model is an asset that was never made, or whose folder is gone.
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

    Loads no tokenizer, so that a plan is quick. An id on the Hub stands for itself: its files may
    not be here yet.
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
