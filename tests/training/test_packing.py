"""Rows laid end to end give each token the loss that it has in its row alone."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.training.data import make_plan
from srft_assets.training.job import shuffled
from srft_assets.training.model import register_segments
from tests.training.conftest import VOCABULARY

ROWS = st.lists(
    st.lists(st.integers(2, VOCABULARY - 1), min_size=2, max_size=40), min_size=2, max_size=5
)


@cache
def load(folder: Path, attention: str) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    model.set_attn_implementation(attention)
    return model


def token_losses(logits: Any, ids: list[int]) -> Any:
    import torch
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")


def packed_losses(model: Any, rows: list[list[int]]) -> Any:
    """As TRL's collator lays rows out: positions start anew, cumulative lengths are given."""
    import torch

    lengths = torch.tensor([len(row) for row in rows])
    ends = torch.cat([torch.tensor([0]), lengths.cumsum(0)])
    ids = torch.tensor([[token for row in rows for token in row]])
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    logits = model(input_ids=ids, position_ids=positions, cu_seq_lens_q=ends).logits[0]
    pairs = zip(logits.split(lengths.tolist()), rows, strict=True)
    return torch.cat([token_losses(part, row) for part, row in pairs])


def lone_losses(model: Any, rows: list[list[int]]) -> Any:
    import torch

    return torch.cat([token_losses(model(torch.tensor([row])).logits[0], row) for row in rows])


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@settings(max_examples=25)
@given(rows=ROWS)
def test_every_token_has_the_loss_of_its_row_alone(
    base_model: Path, attention: str, rows: list[list[int]]
) -> None:
    import torch

    packed = packed_losses(load(base_model, register_segments()), rows)
    alone = lone_losses(load(base_model, attention), rows)
    assert packed.dtype == torch.float32
    torch.testing.assert_close(packed, alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_gradients_agree_too(base_model: Path, attention: str) -> None:
    import torch

    rows = [[5, 6, 7, 8, 9], [10, 11, 12], [13] * 20]
    ours, plain = load(base_model, register_segments()), load(base_model, attention)
    ours.zero_grad()
    packed_losses(ours, rows).mean().backward()
    lone_losses(plain, rows).mean().backward()
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4)


def test_one_causal_sequence_of_all_rows_would_not_do(base_model: Path) -> None:
    """What contamination looks like; the figures above are told from it by far."""
    import torch

    rows = [[5, 6, 7, 8, 9], [10, 11, 12], [13] * 20]
    model = load(base_model, "sdpa")
    joined = torch.tensor([[token for row in rows for token in row]])
    parts = model(joined).logits[0].split([len(row) for row in rows])
    contaminated = torch.cat([token_losses(p, r) for p, r in zip(parts, rows, strict=True)])
    assert (contaminated - lone_losses(model, rows)).abs().max() > 1e-3


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=40))
def test_packing_leaves_no_padding(lengths: list[int]) -> None:
    order = shuffled(range(len(lengths)), 8, seed=0)
    plan = make_plan(order, lengths, batch_size=4, micro_batch_tokens=8192)
    assert plan.padding_share < 0.02
