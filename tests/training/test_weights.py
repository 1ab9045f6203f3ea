"""Loss weights: by step, by run, in every layout. Expected values are computed by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.main import train
from tests.training.conftest import Heard, MakeJob, Row, frame_of, labelled, make_rows, select

BOTH = [(5, 10, True), (12, 20, True)]
"""A step of 5 tokens and one of 8."""


def weighted(rows: Sequence[Row], *weights: float, runs: Sequence[str] = ()) -> pl.DataFrame:
    """The rows with a loss weight for each step, and trajectory ids where some are given."""
    cells = frame_of(list(rows)).to_dicts()
    for number, row in enumerate(cells):
        for span, weight in zip(row["spans"], weights, strict=False):
            span["weight"] = weight
        if runs:
            row["trajectory_id"] = runs[number]
    return pl.DataFrame(cells, MASKED_TOKENS)


def trainable(count: int) -> list[Row]:
    return [(ids, BOTH) for ids, _ in make_rows(count)]


@pytest.fixture
def fit(job: MakeJob) -> Callable[..., tuple[list[float], Path]]:
    """Trains on a frame; gives the losses and the folder."""

    def run(frame: pl.DataFrame, name: str, **settings: object) -> tuple[list[float], Path]:
        small = job(frame, name, **settings)
        return [point.loss for point in train(small, Heard()).loss_curve], small.output

    return run


def log_probs(base: Path, ids: list[int]):
    """Of each token after the first, with its graph, and the model."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    scores = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return scores[range(len(ids) - 1), ids[1:]], model


def loss_of(base: Path, ids: list[int], spans: list[tuple[int, int, bool]]) -> list[float]:
    found, _ = log_probs(base, ids)
    return [-found[start - 1 : end - 1].sum().item() for start, end, _ in spans]


def test_a_weight_of_one_is_the_loss_without_weights(fit) -> None:
    rows = trainable(8)
    plain, first = fit(frame_of(rows), "plain")
    stated, second = fit(weighted(rows, 1.0, 1.0), "stated")
    assert stated == plain
    weights = [(folder / "model.safetensors").read_bytes() for folder in (first, second)]
    assert weights[0] == weights[1]


def test_half_a_weight_is_half_the_share_in_loss_and_gradient(fit, base_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    rows = trainable(1)
    rate = 0.01
    sgd = {"optim": "sgd", "max_grad_norm": 0.0}
    settings = {"max_steps": 1, "batch_size": 1, "learning_rate": rate, "warmup_ratio": 0}
    (loss,), folder = fit(weighted(rows, 1.0, 0.5), "half", options=sgd, **settings)

    found, model = log_probs(base_model, rows[0][0])
    expected = -(found[4:9].sum() + 0.5 * found[11:19].sum()) / (5 + 0.5 * 8)
    expected.backward()
    assert loss == pytest.approx(expected.item(), abs=1e-6)
    trained = dict(AutoModelForCausalLM.from_pretrained(folder).named_parameters())
    for name, before in model.named_parameters():
        moved = (before.detach() - trained[name].detach()) / rate
        torch.testing.assert_close(moved, before.grad, atol=1e-4, rtol=1e-3)


def test_a_weight_of_nearly_zero_is_a_masked_step(fit) -> None:
    rows = trainable(8)
    masked = [(ids, [BOTH[0], (12, 20, False)]) for ids, _ in rows]
    small, _ = fit(weighted(rows, 1.0, 1e-9), "small")
    none, _ = fit(frame_of(masked), "none")
    assert small == pytest.approx(none, abs=1e-5)


@pytest.mark.parametrize("normalise", ["token", "run"])
def test_weights_hold_in_every_layout_and_split(
    fit, monkeypatch: pytest.MonkeyPatch, normalise: str
) -> None:
    frame = weighted(trainable(12), 1.0, 0.3)
    whole, _ = fit(frame, "whole", normalise=normalise)
    split, _ = fit(frame, "split", normalise=normalise, micro_batch_tokens=60)
    monkeypatch.setattr("srft_assets.training.model.supports_segments", lambda config: False)
    padded, _ = fit(frame, "padded", normalise=normalise)
    assert split == pytest.approx(whole, abs=1e-5)
    assert padded == pytest.approx(whole, abs=1e-5)


def test_each_run_weighs_the_same_however_long_it_is(fit, base_model: Path) -> None:
    (long, _), (short, _) = make_rows(2)
    spans = [[(1, len(long), True)], [(3, 5, True)]]
    rows = [(long, spans[0]), (short, spans[1])]
    one = {"max_steps": 1, "batch_size": 2}
    (loss,), _ = fit(frame_of(rows), "by-run", normalise="run", **one)
    sums = [loss_of(base_model, ids, of)[0] for ids, of in rows]
    assert loss == pytest.approx((sums[0] / (len(long) - 1) + sums[1] / 2) / 2, abs=1e-5)
    (by_token,), _ = fit(frame_of(rows), "by-token", **one)
    assert by_token == pytest.approx(sum(sums) / (len(long) + 1), abs=1e-5)


def test_the_parts_of_a_run_weigh_as_much_as_one_run(home: Home) -> None:
    ids = list(range(2, 12))
    rows = [(ids, [(2, 6, True)]), (ids, [(2, 4, True)]), (ids, [(2, 5, True)])]
    frame = weighted(rows, runs=["split", "split", "whole"])
    table = labelled(home, ("b", frame), normalise="run")
    sums = [sum(weights) for weights in table["weights"].to_pylist()]
    assert sums[0] + sums[1] == pytest.approx(sums[2])
    assert sums[0] == pytest.approx(2 * sums[1])
    assert sum(sums) == pytest.approx(4 + 2 + 3)


def test_weights_are_only_where_loss_is(home: Home) -> None:
    rows = [([7, 8, 9, 10, 11, 12], [(0, 3, True), (4, 6, True)])]
    batch = "b", weighted(rows, 1.0, 0.25)
    table = labelled(home, batch)
    assert table["labels"].to_pylist() == [[-100, 8, 9, -100, 11, 12]]
    assert table["weights"].to_pylist() == [[0, 1, 1, 0, 0.25, 0.25]]
    assert select(batch).rows["weight"].to_list() == [2.5]


def test_rows_of_an_earlier_version_weigh_one(home: Home) -> None:
    frame = frame_of(make_rows(3))
    fields = ("step_index", "start", "end", "trained", "label")
    spans = pl.col("spans").list.eval(pl.struct(pl.element().struct.field(name) for name in fields))
    old = frame.with_columns(spans).drop("part")
    tables = [labelled(home, ("b", one)) for one in (old, frame)]
    assert tables[0] == tables[1]
    assert tables[0].column_names == ["input_ids", "labels"]


def test_another_loss_does_not_go_with_weights(fit) -> None:
    with pytest.raises(SrftError, match="loss weights go with the plain loss only"):
        fit(weighted(trainable(2), 0.5, 1.0), "dft", options={"loss_type": "dft"})


@pytest.fixture
def mixture(base_model: Path, tmp_path: Path) -> Path:
    """A folder with a mixture of experts whose architecture has an auxiliary loss of its own."""
    import torch
    from transformers import AutoTokenizer, Qwen3MoeConfig, Qwen3MoeForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(base_model)
    tokenizer.save_pretrained(tmp_path / "mixture")
    torch.manual_seed(0)
    config = Qwen3MoeConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        moe_intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        num_experts=4,
        num_experts_per_tok=2,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    assert config.router_aux_loss_coef == 0.001
    Qwen3MoeForCausalLM(config).save_pretrained(tmp_path / "mixture")
    return tmp_path / "mixture"


@pytest.mark.parametrize("layout", ["padded", "packed"])
def test_a_mixture_of_experts_keeps_its_auxiliary_loss(
    fit, mixture: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    packed = layout == "packed"
    monkeypatch.setattr("srft_assets.training.model.supports_segments", lambda config: packed)
    one = {"base_model": str(mixture), "max_steps": 1}
    without = {"options": {"router_aux_loss_coef": 0.0}}
    (loss,), _ = fit(frame_of(make_rows(4)), "own", **one)
    (bare,), _ = fit(frame_of(make_rows(4)), "bare", **one, **without)
    assert loss > bare + 1e-4


def test_loss_weights_need_a_mixture_without_its_auxiliary_loss(fit, mixture: Path) -> None:
    rows, one = weighted(trainable(2), 0.5, 1.0), {"base_model": str(mixture), "max_steps": 1}
    with pytest.raises(SrftError, match=r"a mixture of experts router_aux_loss_coef 0\.0"):
        fit(rows, "own", **one)
    fit(rows, "bare", **one, options={"router_aux_loss_coef": 0.0})
