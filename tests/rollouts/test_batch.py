"""What is written on the command line, as a batch."""

import json
from pathlib import Path

import orjson
import polars as pl
import pytest

from srft_assets.errors import SrftError, UsageError
from srft_assets.outcomes.grader_choice import read_grading
from srft_assets.rollouts.batch import instances_path, register, tasks_of
from srft_assets.rollouts.settings import parse_settings
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.trajectories.batches import read_manifest
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe

URL = {"base_url": "http://one/v1"}


def kept(home, batch="b"):
    manifest = read_manifest(home, batch)
    assert manifest.kind == "rollout"
    return parse_settings(dict(manifest.settings), batch)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    names = ["flask-1", "flask-2", "flask-3"]
    made = [
        {"instance_id": n, "repo": "p/f", "base_commit": "0", "problem_statement": n} for n in names
    ]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in made))
    return path


def test_generated_tasks_are_named_by_seed_and_count(home):
    stated = register(home, "b", "lab:7:3", "m", asking=URL, attempts=2, temperature=None)
    assert stated == kept(home)
    assert [t.instance_id.split("-")[1] for t in tasks_of(home, "b", stated)] == ["7"] * 3
    assert (stated.attempts, stated.environment, stated.prompts) == (2, "sandbox", "short")
    assert stated.model.base_url == "http://one/v1"


@pytest.mark.parametrize(("environment", "grader"), [("sdist", "local"), (None, "swebench")])
def test_rows_are_kept_and_graded_by_what_fits(home, rows, environment, grader):
    stated = register(home, "b", str(rows), "m", first=2, environment=environment, asking=URL)
    assert [task.instance_id for task in tasks_of(home, "b", stated)] == ["flask-1", "flask-2"]
    assert stated.prompts == "swebench"
    grading = read_grading(home, "b")
    assert (grading.grader, grading.dataset) == (grader, str(instances_path(home, "b")))


def test_rows_that_changed_since_are_refused(home, rows):
    stated = register(home, "b", str(rows), "m", instances=["flask-3"], asking=URL)
    path = instances_path(home, "b")
    path.write_text(path.read_text().replace("flask-3", "flask-4"))
    with pytest.raises(SrftError, match="not as it was registered"):
        tasks_of(home, "b", stated)


def test_rows_that_were_lost_come_back_with_the_registration(home, rows):
    stated = register(home, "b", str(rows), "m", asking=URL)
    recipe = Recipe(config={})
    frame = pl.DataFrame({"trajectory_id": ["a"]})
    stamp = Stamp(recipe, recipe.fingerprint, data_version(frame), 1, "test", "")
    Warehouse(home.warehouse).write("trajectories", "b", frame, stamp)
    instances_path(home, "b").unlink()
    again = register(home, "b", str(rows), "m", asking=URL)
    assert again.identity == stated.identity
    assert len(tasks_of(home, "b", again)) == 3


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".x"])
def test_an_instance_id_that_is_no_file_name_is_refused(home, tmp_path, name):
    path = tmp_path / "rows.jsonl"
    row = {"instance_id": name, "repo": "r", "base_commit": "0", "problem_statement": ""}
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(UsageError, match="no file name"):
        register(home, "b", str(path), "m", asking=URL)
    assert not instances_path(home, "b").exists()


@pytest.mark.parametrize(
    ("tasks", "model", "told"),
    [
        ("lab:7", "m", "no data set 'lab:7'"),
        ("lab:7:3", "checkpoint:srft/0", "no checkpoints/srft of seed 0"),
        ("lab:7:3", "checkpoint:srft", "checkpoint:ARM/SEED"),
        ("lab:7:3", "local:/nowhere", "there is no folder"),
        ("lab:7:0", "m", "tasks.lab.count"),
    ],
)
def test_what_cannot_be_understood_is_told(home, tasks, model, told):
    with pytest.raises(SrftError, match=told):
        register(home, "b", tasks, model)


def test_a_row_that_is_not_there_is_told(home, rows):
    with pytest.raises(UsageError, match="has no instance flask-9"):
        register(home, "b", str(rows), "m", instances=["flask-9"])


def checkpoint(home, folder) -> None:
    folder.mkdir(parents=True)
    blank = dict.fromkeys(CHECKPOINTS)
    path = str(folder.relative_to(home.root))
    frame = pl.DataFrame([{**blank, "path": path}], schema=CHECKPOINTS)
    recipe = Recipe(config={})
    stamp = Stamp(recipe, recipe.fingerprint, data_version(frame), 1, "test", "")
    Warehouse(home.warehouse).write("checkpoints/srft", "0", frame, stamp)


def test_a_checkpoint_is_named_by_arm_and_seed(home):
    folder = home.artifacts / "checkpoints" / "srft" / "0" / "x"
    checkpoint(home, folder)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    model = register(home, "b", "lab:7:3", "checkpoint:srft/0").model
    assert (model.label, home.root / model.path) == ("srft/0", folder)
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    other = register(home, "b", "lab:7:3", "checkpoint:srft/0").model
    assert other.weights != model.weights


def test_an_adapter_is_served_by_vllm_on_its_base_model(home):
    folder = home.artifacts / "checkpoints" / "srft" / "0" / "x"
    checkpoint(home, folder)
    facts = {"base_model_name_or_path": "Qwen/Qwen3-8B"}
    (folder / "adapter_config.json").write_text(json.dumps(facts))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    model = register(home, "b", "lab:7:3", "vllm:checkpoint:srft/0", prompts="short").model
    argv = model.server.argv(8000)
    assert argv[:3] == ["vllm", "serve", "Qwen/Qwen3-8B"]
    assert argv[-3:] == ["--enable-lora", "--lora-modules", f"srft/0={folder}"]
    assert model.name == "srft/0"
    (folder / "adapter_config.json").write_text(json.dumps({**facts, "r": 64}))
    model = register(home, "b", "lab:7:3", "vllm:checkpoint:srft/0", prompts="short").model
    assert model.server.argv(8000)[-2:] == ["--max-lora-rank", "64"]


def test_what_vllm_serves_of_a_folder_is_known_by_its_weights_wherever_it_lies(home, tmp_path):
    def weights(name: str, content: bytes) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(content)
        return folder

    def adapter(name: str, base: Path) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        facts = {"base_model_name_or_path": str(base)}
        (folder / "adapter_config.json").write_text(json.dumps(facts))
        (folder / "adapter_model.safetensors").write_bytes(b"adapter")
        return folder

    def identity(folder: Path) -> str:
        return register(home, "b", "lab:7:3", f"vllm:local:{folder}", prompts="short").identity

    here, moved, other = weights("a", b"one"), weights("b", b"one"), weights("c", b"two")
    assert identity(here) == identity(moved) != identity(other)
    assert identity(adapter("d", here)) == identity(adapter("e", moved)) != identity(here)


def test_a_batch_of_another_kind_keeps_its_name(home):
    from srft_assets.trajectories.batches import LAB, write_batch

    write_batch(home, "b", LAB, {"count": 1, "task_seed": 1})
    with pytest.raises(UsageError, match="of kind lab"):
        register(home, "b", "lab:7:3", "m", asking=URL)
