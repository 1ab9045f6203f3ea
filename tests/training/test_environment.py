"""What a training reads from its environment, and what it sets for the libraries it imports."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from srft_assets.errors import SrftError
from srft_assets.training.environment import prepare
from srft_assets.training.job import TrainingJob
from tests.training.conftest import make_rows

MakeJob = Callable[..., TrainingJob]
RENAMED = "peft saves an adapter without weights: leave activation_checkpointing out"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing, and that is as it was after the test."""
    told = ("ACCELERATE_USE_FSDP", "FSDP_ACTIVATION_CHECKPOINTING", "TRACKIO_SPACE_ID")
    for name in (*told, "CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE", "WANDB_MODE", "WORLD_SIZE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_base_model_in_a_folder_needs_no_hub(job: MakeJob) -> None:
    prepare(job(make_rows(2)))
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_curves_for_a_space_of_trackio_need_the_hub(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_SPACE_ID", "someone/curves")
    prepare(job(make_rows(2), report_to=["trackio"]))
    assert "HF_HUB_OFFLINE" not in os.environ
    prepare(job(make_rows(2)))
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_wandb_sleeps_unless_an_arm_reports_to_it(job: MakeJob) -> None:
    prepare(job(make_rows(2), report_to=["mlflow"]))
    assert os.environ.pop("WANDB_MODE") == "disabled"
    prepare(job(make_rows(2), report_to=["wandb"]))
    assert os.environ["WANDB_MODE"] == "online"


def test_one_gpu_without_a_launcher_all_with_one(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("WORLD_SIZE", "2")
    prepare(job(make_rows(2)))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"
    monkeypatch.delenv("WORLD_SIZE")
    prepare(job(make_rows(2)))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"


def test_an_adapter_under_activation_checkpointing_of_fsdp_is_refused(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sharded = {"activation_checkpointing": True}
    path = tmp_path / "fsdp.json"
    path.write_text(json.dumps({"fsdp_activation_checkpointing": "true"}))
    for stated in (sharded, str(path)):
        options = {"fsdp": True, "fsdp_config": stated}
        prepare(job(make_rows(2), options=options))
        with pytest.raises(SrftError, match=RENAMED):
            prepare(job(make_rows(2), method="lora", options=options))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    prepare(job(make_rows(2), method="lora"))
    monkeypatch.setenv("FSDP_ACTIVATION_CHECKPOINTING", "true")
    with pytest.raises(SrftError, match=RENAMED):
        prepare(job(make_rows(2), method="lora"))
