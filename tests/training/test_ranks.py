"""Several processes train the same model as one, from the arm's settings alone."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tokens.arm import TrainingSpec
from srft_assets.training.data import make_plan
from srft_assets.training.job import shuffled
from srft_assets.training.main import last_whole_state
from srft_assets.training.process import command_of
from srft_assets.training.stage import checkpoints_stage
from srft_assets.warehouse.stage import Launch
from tests.training.test_stage import InProcess, Subprocess, arm_of, make, platform

__all__ = ["platform"]


def curves(home: Home, run: Launch, **training: object) -> tuple[list[float], list[float]]:
    """Losses of the steps, and those of validations, the first one before all steps."""
    options, validation = {"micro_batch_tokens": 60}, {"tasks": 3, "every": 2}
    stage = checkpoints_stage(arm_of(options=options, validation=validation, **training))
    (row,) = make(stage, home, run)[0].frame.iter_rows(named=True)
    scored = [point[key] for point in row["validation_curve"] for key in ("good", "mistake")]
    return [point["loss"] for point in row["loss_curve"]], scored


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_two_processes_over_gloo_give_the_loss_curve_of_one(platform: Home, launcher: str) -> None:
    told = Subprocess()
    together, scored_together = curves(platform, told, launcher=launcher, processes=2)
    assert [line for line in told.lines if line.startswith('{"step":3')] != []
    assert len([line for line in told.lines if line.startswith('{"step"')]) == 6
    alone, scored_alone = curves(platform, InProcess())
    assert len(set(alone)) == 3
    assert together == pytest.approx(alone, abs=1e-3)
    assert len(set(scored_alone)) == 6
    assert scored_together[:2] == pytest.approx(scored_alone[:2], abs=1e-6)
    assert scored_together == pytest.approx(scored_alone, abs=1e-3)


def test_the_launcher_decides_nothing_but_the_number_of_processes_does() -> None:
    def config(**training: object) -> object:
        return checkpoints_stage(arm_of(**training)).config

    plain = config()
    assert config(launcher="torchrun") == config(launch=["srun"]) == plain
    assert config(launcher="torchrun", processes=2) != plain


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"processes": 2}, "processes needs launcher torchrun or accelerate"),
        ({"launcher_args": ["--x"]}, "launcher_args needs launcher"),
        ({"launcher": "torchrun", "processes": 3}, "batch_size 4 is no multiple of processes 3"),
    ],
)
def test_settings_that_cannot_start_are_named(stated: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainingSpec.model_validate(stated)


def test_command_lines() -> None:
    job, main = Path("job.json"), ["-m", "srft_assets.training.main", "job.json"]

    def command(**stated: object) -> list[str]:
        return command_of(TrainingSpec(batch_size=8, **stated), job)

    assert command() == [sys.executable, *main]
    nodes = ["--nnodes", "2", "--rdzv-endpoint", "a:1"]
    torchrun = {"launcher": "torchrun", "processes": 8}
    slurm = command(**torchrun, launcher_args=nodes, launch="srun --nodes 2")
    start = [sys.executable, "-m", "torch.distributed.run"]
    assert slurm == [*start, "--nproc-per-node", "8", *nodes, *main]
    assert "--standalone" in command(**torchrun)
    fsdp = command(launcher="accelerate", processes=8, launcher_args=["--config_file", "fsdp.yaml"])
    start = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "8"]
    assert fsdp == [*start, "--config_file", "fsdp.yaml", *main]


def test_a_file_of_the_project_is_found_wherever_the_platform_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("srft.yaml", "fsdp.yaml"):
        (tmp_path / name).touch()
    monkeypatch.setenv("SRFT_PROJECT", str(tmp_path))
    stated = TrainingSpec(launcher="accelerate", launcher_args=["--config_file", "fsdp.yaml"])
    assert str(tmp_path / "fsdp.yaml") in command_of(stated, Path("job.json"))


def test_each_process_has_its_share_of_every_step() -> None:
    lengths = [10, 40, 20, 30, 25, 15, 35, 5]
    order = shuffled(range(8), 12, seed=1)
    stated = {"batch_size": 4, "micro_batch_tokens": 50}
    plan = make_plan(order, lengths, **stated, ranks=2)
    parts = [plan.of_rank(rank, 2) for rank in range(2)]
    alone = make_plan(order, lengths, **stated)
    for step in range(3):
        shares = [part.groups[step * part.per_step : (step + 1) * part.per_step] for part in parts]
        rows = sorted(row for share in shares for group in share for row in group)
        groups = alone.groups[step * alone.per_step : (step + 1) * alone.per_step]
        assert rows == sorted(row for group in groups for row in group)
        assert all(shares)
    with pytest.raises(SrftError, match="batch_size 4 is no multiple of the 3 processes"):
        make_plan(order, lengths, **stated, ranks=3)


def test_a_state_lacking_the_part_of_a_process_is_passed_over(tmp_path: Path) -> None:
    import torch

    for step, parts in [(1, 2), (2, 1)]:
        state = tmp_path / f"checkpoint-{step}"
        state.mkdir()
        (state / "trainer_state.json").write_text("{}")
        for rank in range(parts):
            torch.save({}, state / f"rng_state_{rank}.pth")
    assert last_whole_state(tmp_path, ranks=2) == tmp_path / "checkpoint-1"
