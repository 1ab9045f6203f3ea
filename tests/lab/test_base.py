"""The tiny base model: made whole, the same each time, loadable like any other."""

import logging
from dataclasses import replace
from random import Random

import pytest

from srft_assets.lab.base import BASE_MODELS, base_models_stage
from srft_assets.lab.base_drills import draw_rows, drill
from srft_assets.lab.base_explore import explore, mended
from srft_assets.lab.base_main import main, make_base_model
from srft_assets.lab.base_model import Size
from srft_assets.lab.base_settings import BaseSettings
from srft_assets.lab.rehearsal import rehearse
from srft_assets.lab.repository import CHECK
from srft_assets.lab.tasks import generate_tasks
from srft_assets.training.launch import launch
from srft_assets.warehouse.making import recipe_of

MICRO = BaseSettings(
    size=Size(vocabulary=400, width=32, heads=1, head_width=32, layers=2, mlp_width=32),
    tasks=6,
    steps=3,
    batch_size=2,
    row_tokens=128,
)


@pytest.fixture
def work_of(work, home):
    """A stage's work, with real subprocesses."""
    lines = []

    def ready(stage):
        recipe = recipe_of(stage, home, work.warehouse, "all")
        return replace(
            work,
            partition="all",
            recipe=recipe,
            launch=lambda argv, env: launch(argv, env, on_line=lines.append),
            log=logging.getLogger("test"),
        )

    return ready


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("base") / "micro"
    make_base_model(MICRO, made)
    return made


def test_model_and_tokenizer_load_offline(folder, monkeypatch):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.architectures == ["LlamaForCausalLM"]
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    ids = tokenizer("def total(price, tax):", return_tensors="pt")
    assert model(input_ids=ids["input_ids"]).logits.isfinite().all()


def test_equal_settings_give_equal_weights(folder, tmp_path):
    make_base_model(MICRO, tmp_path / "again")
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_gives_other_weights(folder, tmp_path):
    make_base_model(MICRO.model_copy(update={"seed": 1}), tmp_path / "other")
    ours, other = folder / "model.safetensors", tmp_path / "other" / "model.safetensors"
    assert ours.read_bytes() != other.read_bytes()


def test_nothing_is_left_beside_the_folder(folder):
    assert [path.name for path in folder.parent.iterdir()] == ["micro"]


def test_first_weights_already_copy():
    """Before any training, what followed a token earlier is the likeliest to follow it again."""
    import torch

    from srft_assets.lab.base_induction import put_induction
    from srft_assets.lab.base_model import new_model
    from srft_assets.lab.base_tokenizer import train_tokenizer

    torch.manual_seed(0)
    model = new_model(Size(), train_tokenizer(["a"], 300))
    put_induction(model)
    ids = torch.randperm(250)[:40]
    twice = torch.cat([ids, ids])[None]
    guesses = model(input_ids=twice).logits.argmax(-1)[0, 40:-1]
    assert (guesses == ids[1:]).float().mean() > 0.6  # chance is 0.004


def test_heads_that_are_too_narrow_are_refused():
    from srft_assets.lab.base_induction import put_induction
    from srft_assets.lab.base_model import new_model
    from srft_assets.lab.base_tokenizer import train_tokenizer

    model = new_model(Size(head_width=16), train_tokenizer(["a"], 300))
    with pytest.raises(ValueError, match="too narrow"):
        put_induction(model)


def test_the_stage_makes_one_row_and_a_folder_once(home, work_of):
    stage = base_models_stage(MICRO)
    work = work_of(stage)
    made = stage.make(work)
    assert made.frame.schema == BASE_MODELS
    row = made.frame.row(0, named=True)
    assert row["name"] == "tiny"
    assert row["parameters"] < 100_000
    model = home.root / row["path"] / "model.safetensors"
    before = model.stat().st_mtime_ns
    assert stage.make(work).frame.equals(made.frame)
    assert model.stat().st_mtime_ns == before


def test_bad_settings_fail_in_one_line(tmp_path, capsys):
    stated = tmp_path / "settings.json"
    stated.write_text('{"steps": "many"}')
    assert main([str(stated), str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("error: base model: ")
    assert main([]) == 2


def test_drills_answer_from_their_table():
    for seed in range(30):
        text = drill(Random(seed))
        table, *answers = text
        for (asked, bears_loss), (answer, trained) in zip(
            answers[:-2:2], answers[1:-2:2], strict=True
        ):
            name = asked.split()[0].rstrip(":")
            assert (bears_loss, trained) == (False, True)
            assert f"FAIL {name}: " in table[0] or f"def {name}(" in table[0]
            assert answer.removeprefix("return ").strip() in table[0]


def test_rows_of_a_table_are_told_apart_by_name_and_first_argument():
    for seed in range(30):
        rows = draw_rows(Random(seed))
        assert len({row.name for row in rows}) == len(rows)
        assert len({row.arguments[0] for row in rows}) == len(rows)


def test_exploring_mends_nothing():
    for task in generate_tasks(5, 70_001):
        for message in explore(task, Random(0), 5):
            if message["role"] == "assistant":
                assert "sed" not in message["content"]
                assert "COMPLETE_TASK" not in message["content"]


def test_a_mended_repository_passes_its_tests():
    for task in generate_tasks(5, 70_001):
        assert rehearse(CHECK, dict(task.files))[1] == 1
        assert rehearse(CHECK, dict(mended(task).files))[1] == 0
