"""What is saved stops where its turns end, in the base's type; what cannot be is known at once."""

import json
import shutil
from pathlib import Path

import pytest

from srft_assets.errors import SrftError
from srft_assets.training.main import train
from tests.training.conftest import Heard, MakeJob, make_rows


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_model_that_cannot_be_saved_is_not_trained(
    method: str, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedTokenizerFast

    def fail(*args: object, **given: object) -> None:
        raise NotImplementedError("no way to write this")

    monkeypatch.setattr(PreTrainedTokenizerFast, "save_pretrained", fail)
    heard, small = Heard(), job(make_rows(8), method=method)
    with pytest.raises(SrftError, match="could not be saved, and is not trained: no way to write"):
        train(small, heard)
    assert not heard.steps
    assert not (small.partial / "model").exists()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_settings_of_sampling_without_do_sample_are_kept_and_made_valid(
    method: str, base_model: Path, job: MakeJob, tmp_path: Path
) -> None:
    base = shutil.copytree(base_model, tmp_path / "base")
    stated = {"eos_token_id": [1], "temperature": 0.9, "top_p": 0.6}
    (base / "generation_config.json").write_text(json.dumps(stated))
    small = job(make_rows(8), base_model=str(base), method=method)
    train(small, Heard())
    saved = json.loads((small.output / "generation_config.json").read_bytes())
    assert saved.items() >= {**stated, "do_sample": True}.items()


def test_full_training_keeps_the_type_of_the_base(
    base_model: Path, job: MakeJob, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    base = tmp_path / "base"
    shutil.copytree(base_model, base)
    AutoModelForCausalLM.from_pretrained(base_model).to(torch.bfloat16).save_pretrained(base)
    small = job(make_rows(8), base_model=str(base))
    train(small, Heard())
    weights = load_file(small.output / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    assert json.loads((small.output / "config.json").read_bytes())["dtype"] == "bfloat16"
    size = (small.output / "model.safetensors").stat().st_size
    assert size == pytest.approx((base / "model.safetensors").stat().st_size, rel=0.01)
