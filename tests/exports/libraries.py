"""Trainers' own libraries from PyPI, each in a folder to import it from."""

import os
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[2]


@lru_cache
def installed(*packages: str) -> Path:
    """A folder that holds these packages without what they depend on; named for the first.

    Skips the test where PyPI does not give them.
    """
    folder = Path(sys.prefix) / "readers" / packages[0].replace("==", "-")
    if folder.is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch) / "packages"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
        done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"pip does not give {packages[0]}: {done.stderr.strip()[-200:]}")
        with suppress(OSError):  # another process was quicker
            target.rename(folder)
    return folder


def run(library: Path, module: str, *words: str) -> None:
    """`python -m module words` where that library can be imported."""
    with TemporaryDirectory() as scratch:
        path = os.pathsep.join([str(library), str(ROOT)])
        told = {"AXOLOTL_DO_NOT_TRACK": "1", "DISABLE_VERSION_CHECK": "1", "OMP_NUM_THREADS": "1"}
        env = {**os.environ, **told, "PYTHONPATH": path, "HF_HOME": scratch, "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-m", module, *words]
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, check=False, cwd=scratch
        )
        assert done.returncode == 0, done.stderr[-3000:]
