"""The tiny base model: made whole, the same each time, loadable like any other."""

import re
from itertools import pairwise
from random import Random

import pytest

from srft_assets.lab.tasks import CHECK, generate_tasks
from tools.base_model.__main__ import make_base_model
from tools.base_model.chats import explore, mended, rehearse, teacher_messages
from tools.base_model.model import BaseSettings, Size
from tools.base_model.texts import draw_rows, drill

MICRO = BaseSettings(
    size=Size(vocabulary=400, width=32, heads=1, head_width=32, layers=2, mlp_width=32),
    tasks=6,
    steps=3,
    batch_size=2,
    row_tokens=128,
)


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

    from tools.base_model.model import new_model, put_induction
    from tools.base_model.tokenizer import train_tokenizer

    torch.manual_seed(0)
    model = new_model(Size(), train_tokenizer(["a"], 300))
    put_induction(model)
    ids = torch.randperm(250)[:40]
    twice = torch.cat([ids, ids])[None]
    guesses = model(input_ids=twice).logits.argmax(-1)[0, 40:-1]
    assert (guesses == ids[1:]).float().mean() > 0.5  # chance is 0.004


def test_heads_that_are_too_narrow_are_refused():
    from tools.base_model.model import new_model, put_induction
    from tools.base_model.tokenizer import train_tokenizer

    model = new_model(Size(head_width=16), train_tokenizer(["a"], 300))
    with pytest.raises(ValueError, match="too narrow"):
        put_induction(model)


@pytest.mark.parametrize("seed", range(40))
def test_drills_answer_from_their_table(seed):
    """What bears loss follows from what bears none: a name that was given, and its row."""
    (table, shown), *pieces = drill(Random(seed))
    assert not shown
    answers = [
        (before, answer)
        for (before, _), (answer, bears_loss) in pairwise(pieces)
        if bears_loss and "return" in answer
    ]
    assert answers
    for before, answer in answers:
        name = re.findall(r"\w+", before)[-1]
        wanted = re.findall(rf"FAIL {name}: .* : (.*)", table)
        has = re.findall(rf"def {name}\(.*\):\n    return (.*)", table)
        [expression] = wanted or has
        said = re.findall(r"return ([^|\n]*)", answer)
        assert said[0] == said[-1] == expression


def test_drills_edit_as_the_teacher_does():
    """The same words as in the runs that are distilled, so that what was drilled can be used."""
    edits = [
        piece
        for seed in range(40)
        for piece, bears_loss in drill(Random(seed))
        if bears_loss and "sed" in piece
    ]
    command = r"sed -i 's\|return (\w+)\.\*\|return (.*)\|' \w+\.py"
    form = re.compile(rf": return (.*)\n\n```mswea_bash_command\n{command}\n```")
    taught = [
        message["content"].removeprefix("Fix ")
        for messages in teacher_messages(10, 555)
        for message in messages
        if "sed -i" in message["content"] and message["role"] == "assistant"
    ]
    assert edits
    assert taught
    for text in edits + taught:
        found = form.search(text)
        assert found
        assert found[1] == found[3]
        assert found[1].startswith(found[2])


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
