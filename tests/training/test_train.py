"""Training a real tiny Llama on real partitions, in this process."""

from pathlib import Path

import orjson
import pytest

from srft_assets.errors import SrftError
from srft_assets.training.checkpoint import read_result
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import train
from tests.training.conftest import Heard, MakeJob, Row, make_rows


def losses(job: TrainingJob) -> list[float]:
    return [point.loss for point in train(job, Heard()).loss_curve]


def flip_masked(row: Row) -> Row:
    """The same row with the masked spans left out of the spans."""
    ids, spans = row
    return ids, [span for span in spans if span[2]]


def test_the_loss_falls_and_the_folder_loads(job: MakeJob) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    heard = Heard()
    small = job(make_rows(8), max_steps=25)
    result = train(small, heard)
    assert heard.told[-1][:2] == (25, 25)
    assert result.loss_curve[-1].loss < 0.8 * result.loss_curve[0].loss
    assert result.layout == "packed"
    assert result.padding_share == 0
    assert result.loss_curve[0].tokens_per_second > 0
    assert read_result(small.output) == result
    assert (small.output / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert "segments" not in (small.output / "config.json").read_text()
    model = AutoModelForCausalLM.from_pretrained(small.output)
    tokenizer = AutoTokenizer.from_pretrained(small.output)
    model.generate(**tokenizer("w5 w6", return_tensors="pt"), max_new_tokens=2)
    assert not small.partial.exists()


def test_the_first_loss_is_the_mean_over_all_trained_tokens(job: MakeJob) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    rows = make_rows(8)
    small = job(rows, max_steps=1, batch_size=8, micro_batch_tokens=100)
    model = AutoModelForCausalLM.from_pretrained(small.base_model)
    total, count = 0.0, 0
    for ids, spans in rows:
        with torch.no_grad():
            scores = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        where = [n for start, end, trained in spans if trained for n in range(start, end)]
        total -= sum(scores[n - 1, ids[n]].item() for n in where)
        count += len(where)
    result = train(small, Heard())
    assert result.micro_batches > 1
    assert result.trained_tokens == count
    assert result.loss_curve[0].loss == pytest.approx(total / count, abs=1e-5)


def test_accumulation_does_not_change_the_loss(job: MakeJob) -> None:
    rows = make_rows(24)
    whole = job(rows, "whole", micro_batch_tokens=10_000)
    split = job(rows, "split", micro_batch_tokens=60)
    assert train(split, Heard()).micro_batches >= 4
    assert losses(split) == pytest.approx(losses(whole), abs=1e-5)


def test_padded_rows_give_the_same_loss_as_packed_ones(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows(12)
    packed = losses(job(rows, "packed"))
    monkeypatch.setattr("srft_assets.training.model.supports_segments", lambda config: False)
    padded = train(job(rows, "padded"), Heard())
    assert padded.layout == "padded"
    assert padded.padding_share > 0
    assert [point.loss for point in padded.loss_curve] == pytest.approx(packed, abs=1e-5)


def test_masked_spans_are_context_only(job: MakeJob) -> None:
    rows = make_rows(8)
    stated = train(job(rows, "stated"), Heard())
    left_out = train(job([flip_masked(row) for row in rows], "left-out"), Heard())
    assert stated.weights_sha256 == left_out.weights_sha256
    unmasked = [(ids, [(a, b, True) for a, b, _ in spans]) for ids, spans in rows]
    assert train(job(unmasked, "all"), Heard()).weights_sha256 != stated.weights_sha256


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(job: MakeJob) -> None:
    rows = make_rows(20)
    shas = [
        train(job(rows, name, seed=seed), Heard()).weights_sha256
        for name, seed in [("a", 0), ("b", 0), ("c", 1)]
    ]
    assert shas[0] == shas[1] != shas[2]


def test_a_lora_adapter_loads_on_its_base(job: MakeJob) -> None:
    from peft import AutoPeftModelForCausalLM

    small = job(make_rows(8), method="lora", lora_rank=4, max_steps=15)
    result = train(small, Heard())
    assert result.loss_curve[-1].loss < result.loss_curve[0].loss
    assert (small.output / "adapter_model.safetensors").exists()
    assert (small.output / "tokenizer.json").exists()
    assert not (small.output / "model.safetensors").exists()
    config = orjson.loads((small.output / "adapter_config.json").read_bytes())
    assert "lm_head" not in config["target_modules"]
    AutoPeftModelForCausalLM.from_pretrained(str(small.output)).merge_and_unload()


def test_a_finished_folder_is_taken_as_it_is(job: MakeJob) -> None:
    small = job(make_rows(8))
    first = train(small, Heard())
    heard = Heard()
    assert train(small, heard) == first
    assert heard.steps == []


def test_a_loss_that_is_not_finite_ends_the_training_and_leaves_no_folder(job: MakeJob) -> None:
    small = job(make_rows(8), learning_rate=1e20, warmup_ratio=0)
    with pytest.raises(SrftError, match=r"the loss is (nan|inf) at step \d.*lower .*learning_rate"):
        train(small, Heard())
    assert not small.output.exists()


def test_ids_beyond_the_vocabulary_are_told_before_training(job: MakeJob) -> None:
    small = job([([5, 6, 64, 7], [(1, 4, True)])])
    with pytest.raises(SrftError, match="token id 64 is beyond the model's 64 embeddings"):
        train(small, Heard())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learn_rate": 1}, "training.options: .*learn_rate"),
        ({"max_length": 9}, "training.options: max_length is decided by other settings"),
    ],
)
def test_wrong_options_are_named(job: MakeJob, options: dict[str, object], said: str) -> None:
    with pytest.raises(SrftError, match=said):
        train(job(make_rows(8), options=options), Heard())


def test_a_missing_base_model_is_told(job: MakeJob, tmp_path: Path) -> None:
    with pytest.raises(SrftError, match="cannot load the base model"):
        train(job(make_rows(8), base_model=str(tmp_path / "nothing")), Heard())
