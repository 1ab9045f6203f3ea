"""Checkpoints to take away: merged, or the adapter alone, with a card and no local path."""

import shutil
from dataclasses import replace
from pathlib import Path

import orjson
import polars as pl
import pytest
import typer
import yaml
from typer.testing import CliRunner

from srft_assets.cli.export import merge
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.rollouts.checkpoint import load_checkpoint
from srft_assets.training.model import Trained, base_now, find_trained, write_adapter, write_merged
from srft_assets.training.stage import checkpoints_stage
from tests.training.conftest import put
from tests.training.test_stage import InProcess, arm_of, filled, make


@pytest.fixture(scope="module")
def made(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a LoRA checkpoint of seed 0 that differs from its base."""
    home = filled(Home(tmp_path_factory.mktemp("made")), base_model)
    arm = arm_of(method="lora", lora_rank=4, learning_rate=1e-1, max_steps=6)
    make(checkpoints_stage(arm), home, InProcess())
    return home


@pytest.fixture
def platform(made: Home, home: Home) -> Home:
    """A copy of it."""
    shutil.copytree(made.root, home.root)
    return home


@pytest.fixture
def trained(platform: Home) -> Trained:
    return find_trained(platform, "srft", "0")


def logits(model: object) -> object:
    import torch

    with torch.no_grad():
        return model(torch.tensor([[5, 6, 7, 8]])).logits  # type: ignore[operator]


def test_merged_weights_answer_as_base_and_adapter_do(trained: Trained, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_merged(trained, tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    base = AutoModelForCausalLM.from_pretrained(trained.base)
    plain = logits(base)
    adapted = logits(PeftModel.from_pretrained(base, str(trained.folder)))
    assert not torch.allclose(plain, adapted, atol=1e-3)
    torch.testing.assert_close(logits(merged), adapted, atol=1e-5, rtol=1e-5)
    assert AutoTokenizer.from_pretrained(tmp_path / "merged")("w5").input_ids == [5]
    assert not (tmp_path / "merged" / "adapter_config.json").exists()


def test_an_adapter_without_a_generation_config_is_merged(trained: Trained, tmp_path: Path) -> None:
    (trained.folder / "generation_config.json").unlink()
    write_merged(trained, tmp_path / "merged")
    assert (tmp_path / "merged" / "model.safetensors").exists()


def test_nothing_taken_away_names_a_folder_of_this_machine(
    trained: Trained, tmp_path: Path, made: Home, platform: Home
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    write_adapter(trained, tmp_path / "adapter")
    write_merged(trained, tmp_path / "merged")
    for path in [*(tmp_path / "adapter").iterdir(), *(tmp_path / "merged").iterdir()]:
        content = path.read_bytes()
        for place in (made.root, platform.root, trained.base):
            assert str(place).encode() not in content, path
    config = orjson.loads((tmp_path / "adapter" / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == "base_models/tiny"
    base = AutoModelForCausalLM.from_pretrained(trained.base)
    PeftModel.from_pretrained(base, str(tmp_path / "adapter"))


def test_the_card_says_what_it_was_made_from(trained: Trained) -> None:
    text = (trained.folder / "README.md").read_text()
    header = yaml.safe_load(text.split("---")[1])
    assert header["library_name"] == "peft"
    assert "license" not in header
    assert "| base model | base_models/tiny |" in text
    assert "| data version of masked_tokens/srft/lab-1 | " in text
    assert "| lora_rank | 4 |" in text
    assert "| SHA-256 of the weights | " in text
    assert "srft merge srft --seed 0 --out MERGED" in text
    assert "--enable-lora --max-lora-rank 4 --lora-modules srft=FOLDER" in text


def test_full_weights_are_taken_as_they_are(platform: Home, tmp_path: Path) -> None:
    make(checkpoints_stage(arm_of()), platform, InProcess())
    whole = find_trained(platform, "srft", "0")
    write_merged(whole, tmp_path / "out")
    one, other = (folder / "model.safetensors" for folder in (whole.folder, tmp_path / "out"))
    assert one.read_bytes() == other.read_bytes()
    assert not (tmp_path / "out" / "job.json").exists()
    assert (
        "AutoModelForCausalLM.from_pretrained(FOLDER)" in (tmp_path / "out/README.md").read_text()
    )
    with pytest.raises(UsageError, match="holds full weights"):
        write_adapter(whole, tmp_path / "adapter")


def test_an_adapter_finds_its_base_where_the_platform_was_moved(
    platform: Home, base_model: Path, tmp_path: Path
) -> None:
    """Neither merging nor playing asks for the folder in which it was trained."""
    place = platform.artifacts / "base_models" / "tiny" / "abc"
    shutil.copytree(base_model, place)
    (place / "chat_template.jinja").write_text("{{ messages }}")
    path = {"path": [str(place.relative_to(platform.root))]}
    put(platform, "base_models/tiny", "all", pl.DataFrame({"name": ["tiny"], **path}))
    make(checkpoints_stage(arm_of(method="lora")), platform, InProcess())
    moved = Home(tmp_path / "moved")
    platform.root.rename(moved.root)
    trained = find_trained(moved, "srft", "0")
    assert trained.base == str(moved.artifacts / "base_models" / "tiny" / "abc")
    write_merged(trained, tmp_path / "merged")
    assert trained.folder.is_relative_to(moved.root)
    assert load_checkpoint(trained.folder).model.num_parameters() > 0


def test_an_id_and_a_folder_elsewhere_stay_what_they_are(tmp_path: Path) -> None:
    checkpoint = tmp_path / "artifacts" / "checkpoints" / "srft"
    for stated in ("org/model", "/models/big", "/gone/artifacts/base_models/tiny"):
        assert base_now(stated, checkpoint) == stated


def test_what_cannot_be_merged_leaves_nothing(trained: Trained, tmp_path: Path) -> None:
    gone = replace(trained, base=str(tmp_path / "gone"))
    with pytest.raises(SrftError, match="name one by --base"):
        write_merged(gone, tmp_path / "out")
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        write_merged(trained, tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_the_command(
    trained: Trained, platform: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRFT_HOME", str(platform.root))
    app = typer.Typer()
    app.command()(merge)
    done = CliRunner().invoke(app, ["srft", "--out", str(tmp_path / "merged")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "merged" / "model.safetensors").exists()
    absent = CliRunner().invoke(app, ["rft", "--out", str(tmp_path / "other")])
    assert isinstance(absent.exception, UsageError)
    assert "no checkpoint of arm 'rft', seed 0: srft apply checkpoints/rft" in str(absent.exception)
