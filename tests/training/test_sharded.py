"""FSDP2 by the files of the docs and of the recipe: two processes share one model, over gloo."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from srft_assets.platform.stages import filled_arm
from srft_assets.project.folder import Project
from srft_assets.project.recipe_folders import use_recipe
from srft_assets.project.settings import settings
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.training.checkpoint import TrainingResult, read_result
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import train
from srft_assets.training.process import MAIN, command_of, environment_of
from tests.families import write_model
from tests.training.conftest import Heard, MakeJob, make_rows

ROOT = Path(__file__).parents[2]
OF_DOCS = re.compile(r"```yaml\n# /configs/fsdp\.yaml\n(.*?)```", re.DOTALL)


def of_docs(folder: Path, **changes: str) -> TrainingSpec:
    """Two processes by the file of the docs, with words of it replaced."""
    found = OF_DOCS.search((ROOT / "docs" / "training.md").read_text())
    assert found is not None
    stated = found[1]
    for word, other in changes.items():
        assert word in stated
        stated = stated.replace(word, other)
    (folder / "fsdp.yaml").write_text(stated)
    named = ["--config_file", str(folder / "fsdp.yaml")]
    return TrainingSpec(launcher="accelerate", processes=2, launcher_args=named)


def sharded(job: TrainingJob, folder: Path, training: TrainingSpec, layer: str) -> TrainingResult:
    """The result of the processes that share a model, layer by layer."""
    (folder / "job.json").write_text(job.model_dump_json())
    argv = command_of(training, folder / "job.json")
    argv[argv.index(MAIN)] = "tests.training.sharded_main"
    environment = {**os.environ, **environment_of(training), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"sharded {layer}" in done.stdout
    result = read_result(job.output)
    assert result is not None
    return result


def losses(result: TrainingResult) -> list[float]:
    return [point.loss for point in result.loss_curve]


def scored(result: TrainingResult) -> list[float]:
    """Validation losses by label: before the first step, after the second and the third."""
    assert result.validation is not None
    return [loss for point in result.validation.curve for loss in point.by_label.values()]


def tensors(job: TrainingJob) -> dict[str, Any]:
    from safetensors.torch import load_file

    (path,) = job.output.glob("*.safetensors")
    return load_file(path)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_that_share_a_model_give_the_losses_of_one(
    job: MakeJob, tmp_path: Path, method: str
) -> None:
    settings = {
        "batch_size": 4,
        "max_steps": 3,
        "method": method,
        "micro_batch_tokens": 60,
        "options": {"gradient_checkpointing": True},
        "validation": {"tasks": 3, "every": 2, "keep": "best"},
    }
    shared, alone = (job(make_rows(8), name, **settings) for name in ("shared", "alone"))
    exact = {"bf16": "'no'"} if method == "lora" else {}
    stated = of_docs(tmp_path, **exact)
    result = sharded(shared, tmp_path, stated, "LlamaDecoderLayer")
    expected, together = train(alone, Heard()), losses(result)
    assert len(set(together)) == 3
    assert together == pytest.approx(losses(expected), abs=1e-3)
    assert scored(result) == pytest.approx(scored(expected), abs=1e-5 if exact else 1e-3)
    assert len(set(scored(expected))) == 6
    ours, theirs = tensors(shared), tensors(alone)
    assert ours.keys() == theirs.keys() != set()
    for name, tensor in ours.items():
        assert tensor.shape == theirs[name].shape
        if exact:
            assert tensor.allclose(theirs[name], atol=1e-5), name


def test_the_best_weights_of_a_shared_model_are_kept_where_a_validation_ends_the_training(
    job: MakeJob, tmp_path: Path
) -> None:
    keep = {"tasks": 5, "every": 3, "keep": "best", "patience": 2}
    settings = {"batch_size": 4, "max_steps": 90, "learning_rate": 3e-2, "validation": keep}
    shared, alone = (job(make_rows(20), name, **settings) for name in ("shared", "alone"))
    stated = of_docs(tmp_path, bf16="'no'")
    result, expected = sharded(shared, tmp_path, stated, "LlamaDecoderLayer"), train(alone, Heard())
    assert result.validation is not None and expected.validation is not None
    assert result.validation.kept_step == expected.validation.kept_step < result.steps < 90
    assert scored(result) == pytest.approx(scored(expected), abs=1e-5)
    theirs = tensors(alone)
    assert all(tensor.allclose(theirs[name], atol=1e-5) for name, tensor in tensors(shared).items())


def test_the_recipe_shards_its_own_architecture(
    job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path / "project")
    project.root.mkdir()
    project.file.touch()
    use_recipe(project, "srft-paper-7b")
    monkeypatch.setenv("SRFT_PROJECT", str(project.root))
    stated = filled_arm(ArmSpec(name="srft"), settings()).training
    assert (stated.launcher, stated.processes) == ("accelerate", 8)
    write_model("qwen2_5_coder_instruct", tmp_path / "base")
    small = job(make_rows(8), base_model=str(tmp_path / "base"), max_steps=5)
    two = stated.model_copy(update={"processes": 2})
    told = losses(sharded(small, tmp_path, two, "Qwen2DecoderLayer"))
    assert len(told) == 5 and told[-1] < told[0]
