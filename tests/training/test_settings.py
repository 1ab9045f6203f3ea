"""Trackers, quantization and keys: what is passed on, and what is refused at once."""

from pathlib import Path
from typing import Any

import pytest

from srft_assets.errors import SrftError
from srft_assets.training.data import make_plan
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import train
from srft_assets.training.stage import checkpoints_stage
from tests.training.conftest import Heard, MakeJob, make_rows
from tests.training.test_stage import arm_of

PLAN = make_plan(list(range(8)), [5] * 8, batch_size=8, micro_batch_tokens=99)


def sft_config(job: TrainingJob) -> Any:
    """Imports torch, which takes long."""
    from srft_assets.training.trainer import sft_config

    return sft_config(job, PLAN)


def test_nothing_is_reported_elsewhere_unless_an_arm_says_so(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sft_config(job(make_rows(2))).report_to == []
    monkeypatch.setattr("srft_assets.training.trainer.find_spec", lambda name: name)
    config = sft_config(job(make_rows(2), report_to=["mlflow", "trackio"]))
    assert config.report_to == ["mlflow", "trackio"]


def test_a_tracker_that_is_not_installed_is_named(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srft_assets.training.trainer.find_spec", lambda name: None)
    with pytest.raises(SrftError, match=r"report_to: wandb is not here: pip install wandb"):
        sft_config(job(make_rows(2), report_to=["wandb"]))


def test_a_tracker_makes_no_checkpoint_stale_and_drops_no_state(job: MakeJob) -> None:
    assert (
        checkpoints_stage(arm_of(report_to=["wandb"])).config == checkpoints_stage(arm_of()).config
    )
    rows = make_rows(2)
    assert job(rows).identity == job(rows, report_to=["wandb"]).identity


def test_a_smaller_micro_batch_makes_no_checkpoint_stale_and_drops_no_state(job: MakeJob) -> None:
    """Out of memory says to lower it, and that the last state is kept."""
    small = {"micro_batch_tokens": 60, "save_seconds": 5}
    assert checkpoints_stage(arm_of(options=small)).config == checkpoints_stage(arm_of()).config
    other = {**small, "optim": "adafactor"}
    assert checkpoints_stage(arm_of(options=other)).config["options"] == {"optim": "adafactor"}
    rows = make_rows(2)
    assert job(rows).identity == job(rows, **small).identity


def test_a_state_goes_on_where_the_home_is_mounted_at_another_place(
    job: MakeJob, tmp_path: Path
) -> None:
    here = job(make_rows(2))
    there = here.model_copy(
        update={
            "warehouse": Path("/other/warehouse"),
            "output": Path("/other/checkpoints", here.output.name),
        }
    )
    assert there.identity == here.identity
    other = here.model_copy(update={"output": here.output.with_name("another-recipe")})
    assert other.identity != here.identity


def test_a_key_in_a_file_is_refused_without_being_shown(job: MakeJob) -> None:
    with pytest.raises(SrftError, match="set HF_TOKEN") as refused:
        sft_config(job(make_rows(2), options={"hub_token": "hf_secret"}))
    assert "hf_secret" not in str(refused.value)


def test_settings_of_large_models_reach_the_trainer(job: MakeJob) -> None:
    options = {"gradient_checkpointing": True, "optim": "adafactor", "max_grad_norm": 0.5}
    config = sft_config(job(make_rows(2), options=options))
    assert (config.gradient_checkpointing, config.optim) == (True, "adafactor")
    assert config.max_grad_norm == 0.5


def test_qlora_without_a_gpu_is_refused_before_anything_is_loaded(job: MakeJob) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SrftError, match="qlora needs a GPU, which is not here: use lora"):
        train(job(make_rows(8), method="qlora"), Heard())
