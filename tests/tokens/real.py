"""Real tokenizers with their chat templates, and what must hold of a row of theirs."""

from functools import lru_cache
from pathlib import Path

import pytest

from srft_assets.tokens.render import Rendering
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from tests.tokens.fetch_tokenizers import FOLDER


def folder_of(name: str) -> Path:
    """The tokenizer's folder; skips where it was never fetched."""
    if not (FOLDER / name / "tokenizer.json").is_file():
        pytest.skip(
            f"no tokenizer {name}: run python -m tests.tokens.fetch_tokenizers, "
            "or let SRFT_TOKENIZERS name a folder that holds it"
        )
    return FOLDER / name


@lru_cache(maxsize=1)
def tokenizer_of(name: str) -> ChatTokenizer:
    """The tokenizer; skips where it was never fetched."""
    return load_tokenizer(folder_of(name))


def assert_exact(row: MaskedRow, rendering: Rendering, tokenizer: ChatTokenizer) -> None:
    """By the tokenizer alone: its ids of the whole text, and what its decoder makes of them."""
    if not rendering.literals:
        whole = tokenizer.hf(rendering.text, add_special_tokens=False)["input_ids"]
        assert row.input_ids.tolist() == whole
    assert len(row.spans) == len(rendering.turns)
    for span, turn in zip(row.spans, rendering.turns, strict=True):
        ids = row.input_ids[span.start : span.end].tolist()
        said = tokenizer.backend.decode(ids, skip_special_tokens=False)
        text = rendering.text[turn.start : turn.end]
        assert text.endswith(said)
        assert not text.removesuffix(said).strip()
        assert int(row.input_ids[span.end - 1]) == tokenizer.special_ids[turn.terminator]
