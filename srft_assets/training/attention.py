"""Attention over rows laid end to end, without padding and without contact between rows.

TRL's packing needs flash attention, which a CPU has not; a dense block-diagonal mask costs time
and memory quadratic in the sum of the lengths. One causal call a row costs neither.
"""

from typing import Any

NAME = "srft_segments"
PLAIN = frozenset({"llama", "mistral", "olmo2", "qwen2", "qwen3", "smollm3"})
"""Architectures whose scores are plain causal attention through transformers' interface."""


def supports_segments(config: Any) -> bool:
    """Whether a model of this transformers config needs nothing but causal attention.

    Models with sliding windows, linear layers or capped scores are trained with padding.
    """
    text = config.get_text_config()
    layers = set(getattr(text, "layer_types", None) or ["full_attention"])
    windowed = getattr(text, "sliding_window", None) is not None
    return text.model_type in PLAIN and layers == {"full_attention"} and not windowed


def register_segments() -> str:
    """Make the attention known to transformers; returns its name for `attn_implementation`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, segment_attention)
    return NAME


def segment_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: Any = None,
    **_: Any,
) -> tuple[Any, None]:
    """Causal attention within each row of one packed sequence.

    Shapes: query (1, heads, tokens, dim), key and value (1, key-value heads, tokens, dim);
    `cu_seq_lens_q` (rows + 1) holds the cumulative lengths. Returns (1, tokens, heads, dim).
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    lengths = [query.shape[2]] if cu_seq_lens_q is None else cu_seq_lens_q.diff().tolist()
    split = [states.split(lengths, dim=2) for states in (query, key, value)]
    outputs = [
        scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=True
        )
        for q, k, v in zip(*split, strict=True)
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None
