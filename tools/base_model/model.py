"""The tiny base model, a Llama for two CPU cores, whose first weights already copy."""

from math import sqrt
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


class BaseSettings(BaseModel):
    """Everything that decides the weights, besides code. The defaults give the shipped model."""

    model_config = ConfigDict(extra="forbid")

    size: Size = Size()
    seed: int = 0
    """Of weights, drills and the order of texts."""
    task_seed: int = 70_001
    """Of the tasks behind the exploring chats; neither training nor held-out tasks have it."""
    tasks: int = 240
    """Tasks that are explored, a chat each; a third of them are shown mended."""
    explore: float = 0.3
    """Share of exploring chats among the texts; the others are drills."""
    steps: int = 480
    batch_size: int = 8
    """Packed rows of one optimizer step."""
    row_tokens: int = 512
    learning_rate: float = 2e-3


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


POSITIONS = 10
"""Pairs of dimensions of a head that tell positions apart; the others match content."""

PREVIOUS = 4.0
"""Strength of attention to the previous token."""

MATCH = 2.0
"""Strength of attention to where the current token occurred before."""

COPY = 4.0
"""Weight of what followed there, relative to the current token's embedding."""


def put_induction(model: Any) -> None:
    """Overwrite embeddings and the first two attention layers of a Llama with biases.

    Uses torch's global random state. The heads together must be at least as wide as the model,
    and half a head wider than `POSITIONS`; ValueError otherwise.
    """
    import torch

    config = model.config
    width, heads, head = config.hidden_size, config.num_attention_heads, config.head_dim
    if heads * head < width or head // 2 <= POSITIONS:
        raise ValueError(f"{heads} heads of {head} are too narrow for a width of {width}")
    first, second = (model.model.layers[place].self_attn for place in (0, 1))
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(0, 1 / sqrt(width))
        axes, move = _orthogonal(width, width), _orthogonal(width, width)
        for place in range(heads):
            rows = slice(place * head, (place + 1) * head)
            read = axes[:, torch.arange(place * head, (place + 1) * head) % width].T
            share = width / (heads * head) / sqrt(width)
            _look_back(first, rows, config)
            first.v_proj.weight[rows] = read
            first.o_proj.weight[:, rows] = (move @ read.T) * share
            match = _content(width, head)
            second.q_proj.weight[rows] = MATCH * match
            second.k_proj.weight[rows] = MATCH * match @ move.T
            second.v_proj.weight[rows] = read
            second.o_proj.weight[:, rows] = read.T * share * COPY


def _look_back(attention: Any, rows: slice, config: Any) -> None:
    """Biases whose rotated product is greatest at a distance of one token."""
    import torch

    half = config.head_dim // 2
    theta = config.rope_parameters["rope_theta"]
    angles = torch.tensor([theta ** (-place / half) for place in range(POSITIONS)])
    query, key = torch.zeros(config.head_dim), torch.zeros(config.head_dim)
    query[:POSITIONS] = PREVIOUS
    key[:POSITIONS] = PREVIOUS * torch.cos(angles)
    key[half : half + POSITIONS] = PREVIOUS * torch.sin(angles)
    for projection, bias in ((attention.q_proj, query), (attention.k_proj, key)):
        projection.weight[rows] *= 0.1
        projection.bias[rows] = bias


def _content(width: int, head: int) -> Any:
    """A random reading of the residual stream into the dimensions that hardly rotate."""
    import torch

    half = head // 2
    places = torch.cat([torch.arange(POSITIONS, half), torch.arange(half + POSITIONS, head)])
    reading = torch.zeros(head, width)
    reading[places] = _orthogonal(width, len(places)).T
    return reading


def _orthogonal(rows: int, columns: int) -> Any:
    import torch

    return torch.linalg.qr(torch.randn(rows, columns))[0]
