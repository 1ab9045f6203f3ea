"""The tensors of a transformer, from its `config.json` alone, for some architectures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Shapes = Mapping[str, tuple[int, ...]]
"""Name of a tensor, as transformers or the weight files have it → its shape."""
Named = Iterator[tuple[str, tuple[int, ...]]]

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


def experts_of(config: Mapping[str, Any]) -> int:
    """Of a layer, those that its router chooses from; 0 without a router."""
    return next((int(config[name]) for name in EXPERTS if config.get(name)), 0)


@dataclass(frozen=True, slots=True)
class Family:
    """What sets an architecture apart from Llama's.

    Attributes:
        biases: attention projections that have one whatever `attention_bias` says.
        head_norm: norms of queries and keys: of each head, or over all of them.
        norms: of a layer.
        tied, head_width, biased: where `config.json` does not say.
    """

    biases: str = ""
    head_norm: Literal["", "head", "all"] = ""
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")
    tied: bool = False
    head_width: int | None = None
    biased: bool = False


_AROUND = ("pre_feedforward_layernorm", "post_feedforward_layernorm")
_BOTH = (*Family().norms, *_AROUND)
FAMILIES = {
    "gemma2": Family(norms=_BOTH, tied=True, head_width=256),
    "gemma3_text": Family(norms=_BOTH, tied=True, head_width=256, head_norm="head"),
    "gpt_oss": Family(head_width=64, biased=True),
    "granite": Family(),
    "llama": Family(),
    "mistral": Family(),
    "mixtral": Family(),
    "olmo2": Family(norms=("post_attention_layernorm", _AROUND[1]), head_norm="all"),
    "qwen2": Family(biases="qkv"),
    "qwen2_moe": Family(biases="qkv"),
    "qwen3": Family(head_norm="head", head_width=128),
    "qwen3_moe": Family(head_norm="head"),
    "smollm3": Family(tied=True),
}
"""By `model_type`; the tests compare the shapes with those of transformers."""


def shapes_of(config: Mapping[str, Any], family: Family, width: int) -> Named:
    """Name and shape of every parameter, as transformers names them."""
    hidden, rows = config["hidden_size"], config["vocab_size"]
    yield "model.embed_tokens.weight", (rows, hidden)
    for layer in range(config["num_hidden_layers"]):
        place = f"model.layers.{layer}"
        for name, shape in _attention(config, family, width):
            yield f"{place}.self_attn.{name}", shape
        for name, shape in _mlp(config, layer):
            yield f"{place}.mlp.{name}", shape
        for norm in family.norms:
            yield f"{place}.{norm}.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    if not config.get("tie_word_embeddings", family.tied):
        yield "lm_head.weight", (rows, hidden)


def _attention(config: Mapping[str, Any], family: Family, width: int) -> Named:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    query = heads * width
    keys = (config.get("num_key_value_heads") or heads) * width
    shapes = {"q": (query, hidden), "k": (keys, hidden), "v": (keys, hidden), "o": (hidden, query)}
    everywhere = config.get("attention_bias", family.biased) and not family.biases
    for name, shape in shapes.items():
        yield f"{name}_proj.weight", shape
        if everywhere or name in family.biases:
            yield f"{name}_proj.bias", shape[:1]
    if family.head_norm:
        whole = family.head_norm == "all"
        yield "q_norm.weight", (query if whole else width,)
        yield "k_norm.weight", (keys if whole else width,)
    if config["model_type"] == "gpt_oss":
        yield "sinks", (heads,)


def _mlp(config: Mapping[str, Any], layer: int) -> Named:
    hidden, experts = config["hidden_size"], experts_of(config)
    dense = layer in (config.get("mlp_only_layers") or ())
    if not experts or dense or (layer + 1) % (config.get("decoder_sparse_step") or 1):
        yield from _gated("", hidden, config["intermediate_size"], config.get("mlp_bias"))
        return
    inner = config.get("moe_intermediate_size") or config["intermediate_size"]
    if config["model_type"] == "gpt_oss":
        yield from {
            "router.weight": (experts, hidden),
            "router.bias": (experts,),
            "experts.gate_up_proj": (experts, hidden, 2 * inner),
            "experts.gate_up_proj_bias": (experts, 2 * inner),
            "experts.down_proj": (experts, inner, hidden),
            "experts.down_proj_bias": (experts, hidden),
        }.items()
        return
    yield "gate.weight", (experts, hidden)
    yield "experts.gate_up_proj", (experts, 2 * inner, hidden)
    yield "experts.down_proj", (experts, hidden, inner)
    if shared := config.get("shared_expert_intermediate_size"):
        yield from _gated("shared_expert.", hidden, shared)
        yield "shared_expert_gate.weight", (1, hidden)


def _gated(prefix: str, hidden: int, inner: int, bias: object = False) -> Named:
    shapes = {"gate": (inner, hidden), "up": (inner, hidden), "down": (hidden, inner)}
    for name, shape in shapes.items():
        yield f"{prefix}{name}_proj.weight", shape
        if bias:
            yield f"{prefix}{name}_proj.bias", shape[:1]
