"""A training that is killed goes on where it stood, and never leaves half a checkpoint."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.training.checkpoint import read_result
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import last_whole_state, train
from tests.training.conftest import Heard, MakeJob, make_rows


def start(job: TrainingJob, path: Path) -> subprocess.Popen[str]:
    path.write_text(job.model_dump_json())
    return subprocess.Popen(
        [sys.executable, "-m", "srft_assets.training.main", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_sigkill_leaves_no_half_checkpoint_and_the_same_weights_come_out_after_all(
    job: MakeJob, tmp_path: Path
) -> None:
    rows = make_rows(20)
    keep = {"tasks": 4, "every": 5, "keep": "best"}
    settings = {"max_steps": 40, "batch_size": 4, "save_seconds": 0, "validation": keep}
    killed = job(rows, "killed", **settings)
    process = start(killed, tmp_path / "job.json")
    assert process.stdout is not None
    told = [json.loads(process.stdout.readline()) for _ in range(9)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [line["step"] for line in told if "loss" in line] == list(range(1, 8))
    scored = [line for line in told if "validation_loss" in line]
    assert [line["step"] for line in scored] == [0, 5]
    assert all({"good", "mistake"} < line.keys() for line in scored)
    assert all(line["of"] == 40 for line in told)
    assert not killed.output.exists()
    state = last_whole_state(killed.partial / "states")
    assert state is not None
    heard = Heard()
    resumed = train(killed, heard)
    assert heard.steps[0] == int(state.name.partition("-")[2]) + 1 > 1
    whole = train(job(rows, "whole", **settings), Heard())
    assert resumed.weights_sha256 == whole.weights_sha256
    assert [p.loss for p in resumed.loss_curve] == [p.loss for p in whole.loss_curve]
    assert resumed.validation == whole.validation
    assert read_result(killed.output) == resumed


def test_a_training_goes_on_with_a_smaller_micro_batch(job: MakeJob) -> None:
    """As after `out of memory`: the same rows meet in each step, in more forward passes."""
    rows = make_rows(20)
    settings = {"max_steps": 8, "batch_size": 4, "save_seconds": 0}
    large = job(rows, "large", **settings)
    heard = Heard()

    def full(step: int, of: int, loss: float, by_label: object) -> None:
        if step == 5:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(large, full)
    small = train(large.model_copy(update={"micro_batch_tokens": 60}), heard)
    whole = train(job(rows, "whole", **settings), Heard())
    assert heard.steps == list(range(heard.steps[0], 9)) and heard.steps[0] in (4, 5)
    assert small.micro_batches > whole.micro_batches
    assert [p.loss for p in small.loss_curve] == pytest.approx(
        [p.loss for p in whole.loss_curve], abs=1e-4
    )


def test_a_torn_state_is_passed_over(tmp_path: Path) -> None:
    for step, text in [(5, "{}"), (10, '{"global_step": 10}'), (20, '{"global_'), (30, None)]:
        state = tmp_path / f"checkpoint-{step}"
        state.mkdir()
        if text is not None:
            (state / "trainer_state.json").write_text(text)
    assert last_whole_state(tmp_path) == tmp_path / "checkpoint-10"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-5", "checkpoint-10"}


def test_the_state_of_another_job_is_not_resumed(job: MakeJob) -> None:
    small = job(make_rows(8), max_steps=2)
    fresh = train(small, Heard())
    stale = small.model_copy(update={"output": small.output.parent / "again"})
    (stale.partial / "states" / "checkpoint-1").mkdir(parents=True)
    (stale.partial / "states" / "checkpoint-1" / "trainer_state.json").write_text("{}")
    (stale.partial / "identity").write_text("another job")
    assert train(stale, Heard()).weights_sha256 == fresh.weights_sha256
