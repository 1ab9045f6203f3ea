"""First weights that already copy: previous-token heads below induction heads.

In-context look-up in transformers is done by two attention layers (Olsson et al. 2022,
"In-context Learning and Induction Heads"): the first moves to each token the one before it, the
second attends to where the current token occurred before and brings what followed. Random
weights take millions of tokens to find that; here the circuit is put in place before training,
within the standard architecture, and pretraining goes on from there.
"""

from math import sqrt
from typing import Any

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
