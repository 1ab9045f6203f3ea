"""Keys and values of chats that go on: what a model computed once for a chat's beginning."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any


@dataclass(slots=True)
class Beginning:
    """The first tokens of a chat, and of each layer their keys and values.

    A layer's are two tensors [heads, tokens, width].
    """

    token_ids: list[int] = field(default_factory=list)
    layers: list[tuple[Any, Any]] = field(default_factory=list)

    def shared(self, token_ids: Sequence[int]) -> int:
        """How many tokens a prompt has in common with it, less than all: one must be asked."""
        pairs = zip(self.token_ids, token_ids, strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return min(alike, len(token_ids) - 1)


@dataclass(frozen=True, slots=True)
class Kept:
    """The beginnings of all chats under way, by name."""

    chats: dict[str, Beginning] = field(default_factory=dict)

    def of(self, name: str) -> Beginning:
        """What is kept of a chat; nothing at first."""
        return self.chats.get(name, Beginning())

    def keep(self, name: str, beginning: Beginning) -> None:
        """Remember it in place of what was kept."""
        self.chats[name] = beginning

    def forget(self, name: str) -> None:
        """The chat is over: its memory is free again."""
        self.chats.pop(name, None)


def can_keep(model: Any) -> bool:
    """Whether the model's cache is plain keys and values, one of each a token.

    Sliding windows and recurrent states cannot be cut back to a prefix.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def batch_cache(beginnings: Sequence[Beginning], lengths: Sequence[int], width: int) -> Any:
    """A `DynamicCache` of `width` columns: of each row its first tokens, padded on the left."""
    from transformers import DynamicCache

    cache = DynamicCache()
    layers = max((one.layers for one in beginnings), key=len)
    for index, sample in enumerate(layers):
        both = []
        for part in (0, 1):
            heads, _, size = sample[part].shape
            whole = sample[part].new_zeros(len(beginnings), heads, width, size)
            for row, (one, length) in enumerate(zip(beginnings, lengths, strict=True)):
                if length:
                    whole[row, :, width - length :] = one.layers[index][part][:, :length]
            both.append(whole)
        cache.update(both[0], both[1], index)
    return cache


def row_of(cache: Any, row: int, columns: Any) -> list[tuple[Any, Any]]:
    """Keys and values of one row at the columns (indices) that hold its tokens."""
    return [
        (layer.keys[row].index_select(1, columns), layer.values[row].index_select(1, columns))
        for layer in cache.layers
    ]
