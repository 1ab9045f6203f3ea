"""FSDP2 by the configuration file that the docs print: two processes share one model, over gloo."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srft_assets.tokens.arm import TrainingSpec
from srft_assets.training.checkpoint import TrainingResult, read_result
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import train
from srft_assets.training.process import MAIN, command_of, environment_of
from tests.training.conftest import Heard, make_rows

MakeJob = Callable[..., TrainingJob]
ROOT = Path(__file__).parents[2]
OF_DOCS = re.compile(r"```yaml\n# /configs/fsdp\.yaml\n(.*?)```", re.DOTALL)


def sharded(job: TrainingJob, folder: Path, **changes: str) -> TrainingResult:
    """The result of two processes by the file of the docs, with words of it replaced."""
    found = OF_DOCS.search((ROOT / "docs" / "training.md").read_text())
    assert found is not None
    stated = found[1]
    for word, other in changes.items():
        assert word in stated
        stated = stated.replace(word, other)
    (folder / "fsdp.yaml").write_text(stated)
    (folder / "job.json").write_text(job.model_dump_json())
    training = TrainingSpec(
        launcher="accelerate",
        processes=2,
        launcher_args=["--config_file", str(folder / "fsdp.yaml")],
    )
    argv = command_of(training, folder / "job.json")
    argv[argv.index(MAIN)] = "tests.training.sharded_main"
    environment = {**os.environ, **environment_of(training), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sharded LlamaDecoderLayer" in done.stdout
    result = read_result(job.output)
    assert result is not None
    return result


def losses(result: TrainingResult) -> list[float]:
    return [point.loss for point in result.loss_curve]


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
    }
    shared, alone = (job(make_rows(8), name, **settings) for name in ("shared", "alone"))
    exact = {"bf16": "'no'"} if method == "lora" else {}
    together = losses(sharded(shared, tmp_path, **exact))
    assert len(set(together)) == 3
    assert together == pytest.approx(losses(train(alone, Heard())), abs=1e-3)
    ours, theirs = tensors(shared), tensors(alone)
    assert ours.keys() == theirs.keys() != set()
    for name, tensor in ours.items():
        assert tensor.shape == theirs[name].shape
        if exact:
            assert tensor.allclose(theirs[name], atol=1e-5), name
