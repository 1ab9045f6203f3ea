"""Keys and values of many chats at once, each in a lane of its own, none padded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

NAME = "srft_lanes"
ROOM = 512
"""Tokens that a lane has room for at first; doubled where they do not do."""


@dataclass(slots=True)
class Lane:
    """One chat: the tokens that the model has read, and what it keeps of them.

    Attributes:
        keys, values: of shape (layers, heads, room, dim); the first `len(token_ids)` count.
    """

    token_ids: list[int] = field(default_factory=list)
    keys: Any = None
    values: Any = None

    def keep(self, common: Sequence[int]) -> int:
        """Forget what differs from `common`, and at least its last token; how many are left."""
        left = 0
        for old, new in zip(self.token_ids, common[:-1], strict=False):
            if old != new:
                break
            left += 1
        del self.token_ids[left:]
        return left

    def make_room(self, tokens: int, layers: int, heads: int, dim: int) -> None:
        """Room for so many tokens."""
        import torch

        room = 0 if self.keys is None else self.keys.shape[2]
        if room >= tokens:
            return
        wanted = max(ROOM, 1 << (tokens - 1).bit_length())
        keys, values = (torch.empty(layers, heads, wanted, dim) for _ in range(2))
        if room:
            keys[:, :, :room], values[:, :, :room] = self.keys, self.values
        self.keys, self.values = keys, values


@dataclass(frozen=True, slots=True)
class Reading:
    """New tokens of some lanes, laid end to end: of each the lane, how many it had read, and
    how many are new."""

    lanes: Sequence[Lane]
    before: Sequence[int]
    new: Sequence[int]


def register_lanes() -> str:
    """Make the attention known to transformers; returns its name for `attn_implementation`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, lane_attention)
    return NAME


def lane_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    reading: Reading | None = None,
    **_: Any,
) -> tuple[Any, None]:
    """Each new token attends to its lane up to itself; keys and values are kept in the lane.

    Shapes: query (1, heads, tokens, dim), key and value (1, key-value heads, tokens, dim).
    Returns (1, tokens, heads, dim).
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    assert reading is not None
    layer = module.layer_idx
    out = torch.empty_like(query)
    start = 0
    for lane, before, new in zip(reading.lanes, reading.before, reading.new, strict=True):
        end, whole = start + new, before + new
        keys, values = lane.keys[layer], lane.values[layer]
        keys[:, before:whole] = key[0, :, start:end]
        values[:, before:whole] = value[0, :, start:end]
        seen = None
        if new > 1 and before:
            seen = torch.ones(new, whole, dtype=torch.bool).tril(before)
        out[:, :, start:end] = scaled_dot_product_attention(
            query[:, :, start:end],
            keys[None, :, :whole],
            values[None, :, :whole],
            attn_mask=seen,
            is_causal=new > 1 and not before,
            scale=scaling,
            enable_gqa=True,
        )
        start = end
    return out.transpose(1, 2).contiguous(), None
