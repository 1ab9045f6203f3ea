"""What a training reads from its environment, sets for its libraries, and tells Dagster."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster_pipes import encode_param

from srft_assets.errors import SrftError
from srft_assets.training.process import prepare
from tests.training.conftest import MakeJob, make_rows

SCRIPT = """
from srft_assets.training.process import reporting
with reporting() as report:
    for step in range(1, 101):
        report(step, 100, 1 / step, None)
"""
CONTEXT = {
    "asset_keys": ["checkpoints/srft"],
    "code_version_by_asset_key": {},
    "provenance_by_asset_key": {},
    "partition_key": "0",
    "partition_key_range": None,
    "partition_time_window": None,
    "run_id": "run",
    "job_name": "job",
    "retry_number": 0,
    "extras": {},
}
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


def told(env: dict[str, str]) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_progress_lines_without_dagster() -> None:
    lines = told({})
    assert len(lines) == 100
    assert lines[-1] == {"step": 100, "of": 100, "loss": 0.01}


def test_pipes_get_a_log_line_now_and_then(tmp_path: Path) -> None:
    (tmp_path / "context").write_text(json.dumps(CONTEXT))
    (tmp_path / "messages").touch()
    env = {
        "DAGSTER_PIPES_CONTEXT": encode_param({"path": str(tmp_path / "context")}),
        "DAGSTER_PIPES_MESSAGES": encode_param({"path": str(tmp_path / "messages")}),
    }
    assert len(told(env)) == 100
    messages = [json.loads(line) for line in (tmp_path / "messages").read_text().splitlines()]
    logs = [m["params"]["message"] for m in messages if m["method"] == "log"]
    assert len(logs) == 20
    assert logs[-1] == "step 100 of 100: loss 0.0100"
