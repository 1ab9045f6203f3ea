"""What notebooks use: the functions of the package, and the page that shows them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import srft_assets
from srft_assets.home import CHECKOUT
from srft_assets.trajectories.model import Trajectory
from tests.trajectories.ingest_support import write_runs

PAGE = CHECKOUT / "docs" / "notebook.md"
TINY = CHECKOUT / "srft_assets" / "lab" / "base_weights"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with what the page speaks of: `runs`, and a model's tokenizer as `model`."""
    write_runs(tmp_path / "runs", ["acme__widget-1", "acme__widget-2"])
    (tmp_path / "model").symlink_to(TINY)
    return tmp_path


def run(code: str, folder: Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SRFT_")}
    words = [sys.executable, "-c", code]
    told = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.parametrize("number", [0, 1], ids=["without a platform", "the chain"])
def test_the_code_of_the_page_runs(number: int, folder: Path):
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    told = run(code[number], folder)
    assert "acme__widget-1" in told
    assert (folder / "data-set" / "README.md").exists() == (number == 1)


def test_the_page_names_every_function():
    named = set(re.findall(r"^\| `(\w+)\(", PAGE.read_text(encoding="utf-8"), re.M))
    assert named == set(srft_assets.__all__)
    assert len(named) == 15


def test_the_package_alone_loads_nothing_else(tmp_path: Path):
    code = "import sys, srft_assets; print(sorted(sys.modules.keys() & {'dagster', 'polars'}))"
    assert run(code, tmp_path) == "[]\n"


def test_masked_steps_carry_no_loss_and_all_others_do(folder: Path):
    runs, refused = srft_assets.read_runs(folder / "runs")
    assert [one.instance_id for one in runs] == ["acme__widget-1", "acme__widget-2"]
    assert refused == []
    tokenizer = srft_assets.load_tokenizer(str(TINY))
    verdicts = srft_assets.label_steps(runs[0])
    nothing = srft_assets.mask_run(runs[0], tokenizer, verdicts, mask={v.label for v in verdicts})
    everything = srft_assets.mask_run(runs[0], tokenizer)
    assert (srft_assets.label_tokens(nothing)[0] == -100).all()
    assert (srft_assets.label_tokens(everything)[1] > 0).sum() == everything.n_trained
    assert everything.n_masked == 0


def test_what_cannot_be_read_is_told_beside_the_runs(folder: Path):
    (folder / "runs" / "broken.traj.json").write_text('{"messages": [', encoding="utf-8")
    runs, [refusal] = srft_assets.read_runs(folder / "runs")
    assert all(isinstance(one, Trajectory) for one in runs)
    assert refusal.source == "broken.traj.json"
