"""Kills at any moment, a full disk, too little memory: what is left, and what goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import last_whole_state, train
from tests.training.conftest import Heard, MakeJob, make_rows

KILLED_OFTEN = """
import os, random, signal, sys, time
from srft_assets.training import main

main._import_heavy()
main._import_heavy = lambda: None
moments = random.Random(int(sys.argv[2]))
for attempt in range(8):
    child = os.fork()
    if not child:
        os._exit(main.main([sys.argv[1]]))
    if attempt < 7:
        time.sleep(moments.uniform(0, 0.5))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print("attempt", status, flush=True)
"""
PLAIN = "import sys; from srft_assets.training.main import main; main(sys.argv[1:])"
LIMITED = """
import resource, sys
from srft_assets.training import main

heavy = main._import_heavy
def limited():
    heavy()
    import trl.trainer.sft_trainer, peft, transformers.models.llama.modeling_llama
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + 200 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main._import_heavy = limited
sys.exit(main.main(sys.argv[1:]))
"""


def run(script: str, job: TrainingJob, path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    path.write_text(job.model_dump_json())
    return subprocess.run(
        [sys.executable, "-c", script, str(path), *more],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        check=False,
    )


def test_seven_kills_at_random_moments_change_no_weight(job: MakeJob, tmp_path: Path) -> None:
    rows = make_rows(20)
    settings = {"max_steps": 60, "batch_size": 4, "save_seconds": 0}
    killed = job(rows, "killed", **settings)
    done = run(KILLED_OFTEN, killed, tmp_path / "job.json", str(os.getpid()))
    ends = [int(line.split()[1]) for line in done.stdout.splitlines() if line[:7] == "attempt"]
    assert ends.count(9) >= 2, done.stderr
    assert ends[-1] == 0
    resumed = train(killed, Heard())
    whole = train(job(rows, "whole", **settings), Heard())
    assert resumed.weights_sha256 == whole.weights_sha256
    assert [p.loss for p in resumed.loss_curve] == [p.loss for p in whole.loss_curve]
    assert not killed.partial.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 640 kB: two states of the tiny model, and no third."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=640k", "srft-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_training_goes_on_when_there_is_space(
    job: MakeJob, small_disk: Path, tmp_path: Path
) -> None:
    rows = make_rows(20)
    settings = {"max_steps": 12, "batch_size": 4, "save_seconds": 0}
    full = job(rows, "full", **settings).model_copy(update={"output": small_disk / "out"})
    path = tmp_path / "job.json"
    done = run(PLAIN, full, path)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: disk full: free some space and materialize again")
    state = last_whole_state(full.partial / "states")
    assert state is not None
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    heard = Heard()
    resumed = train(full, heard)
    assert heard.steps[0] == int(state.name.partition("-")[2]) + 1 > 1
    assert resumed.weights_sha256 == train(job(rows, "whole", **settings), Heard()).weights_sha256


def test_too_little_memory_is_told_with_what_to_lower(job: MakeJob, tmp_path: Path) -> None:
    rows = [([5] * 20_000, [(1, 20_000, True)])] * 16
    large = job(rows, "large", batch_size=16, micro_batch_tokens=10**6)
    done = run(LIMITED, large, tmp_path / "job.json")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: out of memory: lower micro_batch_tokens in training.options")
    assert not large.output.exists()


def test_no_state_is_saved_whose_weights_are_not_finite(job: MakeJob) -> None:
    """A finite loss may have a gradient that is not, which ruins the weights unseen."""
    import torch

    from srft_assets.training.trainer import check_finite

    model = torch.nn.Linear(2, 2)
    check_finite(model, 7)
    with torch.no_grad():
        model.weight[1, 1] = float("inf")
    said = "weight is not finite after step 7: lower training.learning_rate, .* good state is kept"
    with pytest.raises(SrftError, match=said):
        check_finite(model, 7)
