"""The tiny base model: a standard architecture, small enough for two CPU cores."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Size(BaseModel):
    """Size of the tiny Llama-class model."""

    model_config = ConfigDict(extra="forbid")

    vocabulary: int = 1024
    """Tokens at most; the tokenizer may end with fewer."""
    width: int = 96
    layers: int = 3
    heads: int = 2
    head_width: int = 64
    mlp_width: int = 256
    context: int = 4096
    """Tokens of prompt and answer together."""
    rope_theta: float = 1e8
    """Large, so that most pairs of a head's dimensions match content at any distance here."""


def new_model(size: Size, tokenizer: Any) -> Any:
    """A Llama with random weights (torch's global seed) for this tokenizer, in float32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=size.mlp_width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        head_dim=size.head_width,
        attention_bias=True,
        max_position_embeddings=size.context,
        rope_parameters={"rope_type": "default", "rope_theta": size.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)
