"""The core of the wheel alone, in an environment of its own: from runs to an export."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.home import CHECKOUT

HEAVY = ("torch", "trl", "peft", "accelerate", "swebench", "vllm", "minisweagent")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel without any extra."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        pytest.skip("no uv beside this Python or on the path to make an environment with")
    folder = tmp_path_factory.mktemp("core")
    python = folder / "venv/bin/python"
    lock = CHECKOUT / "requirements.lock"
    for words in (
        ["build", "--quiet", "--wheel", "--out-dir", str(folder), str(CHECKOUT)],
        ["venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
    ):
        subprocess.run([uv, *words], check=True, cwd=folder)
    [wheel] = folder.glob("*.whl")
    install = ["pip", "install", "--quiet", "--python", str(python), "--constraint", str(lock)]
    subprocess.run([uv, *install, str(wheel)], check=True, cwd=folder)
    return python.parent


def run(core: Path, folder: Path, *words: str, expected: int = 0) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SRFT_")}
    told = subprocess.run(
        [core / words[0], *words[1:]], cwd=folder, env=env, capture_output=True, text=True
    )
    assert told.returncode == expected, told.stdout + told.stderr
    return told.stdout + told.stderr


def test_nothing_heavy_is_installed(core: Path, tmp_path: Path):
    code = f"from importlib.util import find_spec; print(list(filter(find_spec, {HEAVY})))"
    assert run(core, tmp_path, "python", "-c", code).strip() == "[]"


def test_real_runs_become_verdicts_masks_and_an_export(core: Path, tmp_path: Path, shared: Path):
    runs = shared / "trajectories" / "mini-swe-agent-v1"
    assert "60 runs" in run(core, tmp_path, "srft", "ingest", str(runs))
    made = run(core, tmp_path, "srft", "apply", "step_verdicts/rules", "masked_tokens/srft")
    assert "made step_verdicts/rules" in made
    assert "made masked_tokens/srft" in made
    run(
        core,
        tmp_path,
        "srft",
        "export",
        "--arm",
        "srft",
        "--format",
        "openai",
        "--out",
        "chats",
        "--redact",
    )
    assert list((tmp_path / "chats").rglob("*.jsonl"))


def test_what_needs_an_extra_says_which(core: Path, tmp_path: Path):
    told = run(
        core, tmp_path, "srft", "rollout", "mine", "--tasks", "lab:1:2", "--model", "m", expected=2
    )
    assert 'pip install "srft-assets[rollout]"' in told


def test_a_project_is_made_checked_and_used_with_the_wheel_alone(
    core: Path, tmp_path: Path, shared: Path
):
    run(core, tmp_path, "srft", "init", "my-agent")
    mine = tmp_path / "my-agent"
    assert "nothing is wrong" in run(core, mine, "srft", "check")
    run(core, mine, "srft", "arm", "new", "my_arm", "--from", "srft")
    assert "srft-paper-7b" in run(core, mine, "srft", "recipe", "ls")
    runs = shared / "trajectories" / "mini-swe-agent-v1"
    run(core, mine, "srft", "ingest", str(runs), "--batch", "mini")
    assert "made masked_tokens/my_arm: mini" in run(
        core, mine, "srft", "apply", "masked_tokens/my_arm"
    )
    assert (mine / "warehouse" / "masked_tokens" / "my_arm" / "mini.parquet").is_file()
