"""A model's tokenizer, its special tokens and its chat template."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from srft_assets.errors import SrftError
from srft_assets.tokens.fast_backend import FastBackend
from srft_assets.tokens.vocabulary import prepends_space, token_bytes


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
    def fast_backend(self) -> FastBackend:
        """Ids of whole texts, as `backend` gives them but sooner."""
        return FastBackend(self.backend)

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
    def token_table(self) -> np.ndarray:
        """`token_bytes` as an array of objects, to look up many at once."""
        return np.array(self.token_bytes or [], dtype=object)

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
