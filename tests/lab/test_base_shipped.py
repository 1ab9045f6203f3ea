"""The base model in the package: whole, small, and made by the recipe beside it."""

import shutil
from dataclasses import replace
from random import Random

import orjson
import pytest

from srft_assets.errors import SrftError
from srft_assets.lab import base
from srft_assets.lab.base import (
    BASE_MODELS,
    FACTS,
    SHIPPED,
    base_models_stage,
    copy_shipped,
    digests,
    shipped_facts,
)
from srft_assets.warehouse.making import recipe_of
from tools.base_model.__main__ import main
from tools.base_model.model import BaseSettings
from tools.base_model.texts import exploring_chats, tokenizer_texts
from tools.base_model.tokenizer import train_tokenizer


def test_the_shipped_files_are_those_that_the_recipe_made():
    assert digests(SHIPPED) == shipped_facts()["sha256"]
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 5_000_000


def test_the_recipe_still_says_what_the_weights_were_made_from():
    """Settings, and the tokenizer of today's texts; `--check` compares the weights too."""
    stated = orjson.loads(BaseSettings().model_dump_json())
    assert shipped_facts()["settings"] == stated
    settings = BaseSettings()
    rng = Random(settings.seed)
    texts = tokenizer_texts(settings, exploring_chats(settings, rng), rng)
    vocabulary = train_tokenizer(texts, settings.size.vocabulary).get_vocab()
    shipped = orjson.loads((SHIPPED / "tokenizer.json").read_bytes())
    assert {token: vocabulary[token] for token in shipped["model"]["vocab"]} == (
        shipped["model"]["vocab"]
    )


def test_the_stage_makes_one_row_and_a_folder_once(home, work):
    stage = base_models_stage()
    work = replace(work, partition="all", recipe=recipe_of(stage, home, work.warehouse, "all"))
    made = stage.make(work)
    assert made.frame.schema == BASE_MODELS
    row = made.frame.row(0, named=True)
    assert row["name"] == "tiny"
    assert row["parameters"] == shipped_facts()["parameters"] < 1_000_000
    model = home.root / row["path"] / "model.safetensors"
    before = model.stat().st_mtime_ns
    assert stage.make(work).frame.equals(made.frame)
    assert model.stat().st_mtime_ns == before


def test_a_torn_copy_is_made_again(tmp_path):
    copy_shipped(tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").write_bytes(b"torn")
    copy_shipped(tmp_path / "base")
    assert digests(tmp_path / "base") == digests(SHIPPED)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_a_damaged_package_is_told_in_one_line(tmp_path, monkeypatch):
    damaged = tmp_path / "package"
    shutil.copytree(SHIPPED, damaged)
    (damaged / "config.json").write_text("{}")
    monkeypatch.setattr(base, "SHIPPED", damaged)
    with pytest.raises(SrftError, match=r"config\.json is not as it was shipped"):
        copy_shipped(tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_facts_name_no_time_and_no_place():
    assert set(shipped_facts()) == {
        "architecture",
        "final_loss",
        "parameters",
        "settings",
        "sha256",
        "vocabulary",
    }
    assert FACTS not in shipped_facts()["sha256"]


@pytest.mark.parametrize("arguments", [[], ["--chekc"], ["a", "b"]])
def test_a_wrong_call_says_how(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: ")
