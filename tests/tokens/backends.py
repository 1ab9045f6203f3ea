"""Small tokenizers of the kinds that models have, made without network."""

import json
from functools import lru_cache
from typing import Any

from tests.tokens.conftest import SPECIAL, TEXTS

KINDS = ("bytes", "nfc", "digits", "sentencepiece")
"""Kinds that fastokens knows: GPT-2's, with NFC, with a pattern such as Llama 3's and Qwen's, and
with SentencePiece's sign for a space and bytes for what the vocabulary lacks."""

UNKNOWN = ("words", "unigram", "stripped")
"""Kinds that it does not know."""

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@lru_cache
def backend_of(kind: str) -> Any:
    """A trained `tokenizers.Tokenizer`."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    if kind in ("words", "unigram"):
        return _other(kind)
    settings: dict[str, Any] = {"vocab_size": 700, "special_tokens": SPECIAL}
    backend = Tokenizer(models.BPE())
    if kind == "sentencepiece":
        backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        backend.normalizer = normalizers.Replace(" ", "\u2581")
        backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        pieces = [f"<0x{byte:02X}>" for byte in range(256)]
        settings |= {"special_tokens": [*SPECIAL, "<unk>", *pieces], "vocab_size": 900}
    else:
        backend.decoder = decoders.ByteLevel()
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind != "digits")
        split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
        steps = [split, byte_level] if kind == "digits" else [byte_level]
        backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
        settings["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
    if kind == "nfc":
        backend.normalizer = normalizers.NFC()
    if kind == "stripped":
        backend.normalizer = normalizers.StripAccents()
    trainer = trainers.BpeTrainer(**settings, show_progress=False)
    backend.train_from_iterator([*TEXTS * 20, *["zq zqzq"] * 90], trainer)
    return backend


def _other(kind: str) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = kind == "words"
    model = models.WordLevel(unk_token="[UNK]") if words else models.Unigram()
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[UNK]", *SPECIAL]
    trainer: Any = trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    if not words:
        trainer = trainers.UnigramTrainer(
            special_tokens=special, unk_token="[UNK]", show_progress=False
        )
    backend.train_from_iterator(TEXTS * 20, trainer)
    return backend


def without_merge(backend: Any, first: str, second: str) -> Any:
    """A copy that never joins these two tokens."""
    from tokenizers import Tokenizer

    stated = json.loads(backend.to_str())
    merges = stated["model"]["merges"]
    left = [merge for merge in merges if list(merge) != [first, second]]
    assert len(left) == len(merges) - 1
    return Tokenizer.from_str(json.dumps(stated | {"model": stated["model"] | {"merges": left}}))
