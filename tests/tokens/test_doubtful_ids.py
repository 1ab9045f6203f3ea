"""A partition in which fastokens is found to differ is tokenized again without it."""

import logging
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.tokens import batch, fast_tokenizer
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.render import render
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.trajectories.schema import rows_of
from tests.tokens.backends import backend_of, without_merge
from tests.tokens.batch import filled, make, put, run
from tests.tokens.templates import CHATML

__all__ = ["filled"]

UNSEEN = "x y " * 200 + "zqzq"
"""A word that fastokens gets wrong here, where no sample of its batch is taken."""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model whose tokenizer fastokens reads without one of its merges."""
    from transformers import PreTrainedTokenizerFast

    backend = backend_of("bytes")
    load = fast_tokenizer._loaded
    wrong = without_merge(backend, "z", "q")
    monkeypatch.setattr(fast_tokenizer, "_loaded", lambda _: load(wrong))
    monkeypatch.setattr(fast_tokenizer, "WORTH", 0)
    monkeypatch.setattr(fast_tokenizer, "SAMPLE", 200)
    monkeypatch.setattr("srft_assets.tokens.mask.BATCH_CHARS", 1)
    hf = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", chat_template=CHATML
    )
    hf.save_pretrained(tmp_path / "other")
    return str(tmp_path / "other")


def test_rows_made_before_the_difference_are_made_again(
    filled: Home, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = {"good": "look", "bad": UNSEEN, "odd": "zqzq " * 200, "infra": "mend"}
    runs = [run(name, [text]) for name, text in said.items()]
    put(filled, "trajectories", rows_of(runs, "b"))
    with caplog.at_level(logging.WARNING):
        made = make(masked_tokens_stage(ArmSpec(name="sft", model=model)), filled)
    tokenizer = load_tokenizer(model)
    texts = [render(one, tokenizer).text for one in runs]
    own = tokenizer.backend.encode_batch(texts, add_special_tokens=False)
    assert made.frame["trajectory_id"].to_list() == list(said)
    assert made.frame["input_ids"].to_list() == [one.ids for one in own]
    assert made.metadata["fastokens_not_used"].startswith("fastokens gives other ids")
    assert caplog.messages == [
        f"tokenized by the model's own tokenizer alone: {made.metadata['fastokens_not_used']}"
    ]


def test_a_partition_without_a_difference_says_nothing_of_it(
    filled: Home, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(filled, "trajectories", rows_of([run("good", ["look"]), run("bad", ["mend"])], "b"))
    made = make(masked_tokens_stage(ArmSpec(name="sft", model=model)), filled)
    assert made.frame.height == 2
    assert "fastokens_not_used" not in made.metadata
    assert not caplog.messages


def test_the_next_partition_is_made_once(
    filled: Home, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []
    mask_runs = batch.mask_runs
    monkeypatch.setattr(batch, "mask_runs", lambda *a: times.append(1) or mask_runs(*a))
    one = masked_tokens_stage(ArmSpec(name="sft", model=model))
    texts = ["look", UNSEEN, "zqzq " * 200, "mend"]
    names = ["good", "bad", "odd", "infra"]
    runs = [run(name, [text]) for name, text in zip(names, texts, strict=True)]
    put(filled, "trajectories", rows_of(runs, "b"))
    assert "fastokens_not_used" in make(one, filled).metadata
    assert len(times) == 2
    assert "fastokens_not_used" in make(one, filled).metadata
    assert len(times) == 3
