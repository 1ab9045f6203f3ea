"""Dagster's own tools find the platform too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.home import CHECKOUT

pytestmark = pytest.mark.timeout(600)


def said_by(tool: str, *words: str, environment: dict[str, str]) -> str:
    """What a tool of Dagster prints in the checkout. Fails the test where it fails."""
    done = subprocess.run(
        [Path(sys.executable).parent / tool, *words],
        env={**os.environ, **environment},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_workspace_file_loads_the_same(tmp_path: Path):
    place = {"SRFT_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path)}
    words = ("definitions", "validate", "-w", str(CHECKOUT / "workspace.yaml"))
    assert "srft" in said_by("dagster", *words, environment=place)


def test_dg_finds_nothing_to_say(tmp_path: Path):
    place = {"SRFT_HOME": str(tmp_path), "VIRTUAL_ENV": sys.prefix}
    said_by("dg", "check", "yaml", environment=place)
