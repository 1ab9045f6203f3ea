"""Processes of ours take no module from the folder in which somebody works."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.processes.child import python
from srft_assets.tokens.arm import TrainingSpec
from srft_assets.training.process import command_of, environment_of

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "srft_assets.outcomes.harness.main",
    "srft_assets.rollouts.player",
    "srft_assets.rollouts.evaluation",
)


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """A folder with modules of the names of libraries."""
    for name in ("orjson", "pydantic", "torch", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')\nraise SystemExit(9)\n")
    return tmp_path


def ran(downloaded: Path) -> list[str]:
    return [path.name for path in downloaded.glob("ran-*")]


@pytest.mark.parametrize("module", MODULES)
def test_a_process_does_not_run_what_lies_in_the_current_folder(
    module: str, downloaded: Path
) -> None:
    done = subprocess.run(python(module), cwd=downloaded, capture_output=True, text=True)
    assert ran(downloaded) == []
    assert done.returncode in (1, 2), "it was told no job"


@pytest.mark.parametrize("launcher", ["python", "torchrun", "accelerate"])
def test_a_training_does_not_run_what_lies_in_the_current_folder(
    launcher: str, downloaded: Path
) -> None:
    training = TrainingSpec(launcher=launcher)
    done = subprocess.run(
        command_of(training, Path("no-job.json")),
        cwd=downloaded,
        env={**os.environ, **environment_of(training)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert ran(downloaded) == []
    assert "no-job.json" in done.stderr


def test_every_module_of_ours_is_started_so() -> None:
    for path in (ROOT / "srft_assets").rglob("*.py"):
        assert 'sys.executable, "-m"' not in path.read_text(), path
    assert python("a", "b") == [sys.executable, "-P", "-m", "a", "b"]


IN_BACKGROUND = """
import subprocess, sys, time
import dagster as dg
from srft_assets.processes.child import end_when_told

end_when_told()

@dg.op
def work():
    pass

@dg.job(executor_def=dg.in_process_executor)
def job():
    work()

job.execute_in_process()
child = subprocess.Popen(["sleep", "300"])
print(child.pid, flush=True)
time.sleep(300)
"""


def test_what_a_script_started_in_the_background_ends_by_sigterm_and_not_by_ctrl_c() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", IN_BACKGROUND],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    with process:
        child = int(process.stdout.readline())
        try:
            assert ignored(child) == set()
            process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            os.kill(child, signal.SIGTERM)
            process.kill()


def ignored(process: int) -> set[signal.Signals]:
    """Which of the signals that end a process it ignores."""
    status = Path(f"/proc/{process}/status").read_text().split()
    mask = int(status[status.index("SigIgn:") + 1], 16)
    return {one for one in (signal.SIGINT, signal.SIGTERM) if mask >> (one - 1) & 1}
