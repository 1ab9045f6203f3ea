"""The package as a wheel installs it: no project around it, another current folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.cli import dev
from srft_assets.components.webserver import MODULE, TOKEN
from srft_assets.home import CHECKOUT
from srft_assets.project import folder as project


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder of packages with ours in it, as `[tool.hatch.build]` puts it together."""
    package = tmp_path / "packages" / "srft_assets"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "srft_assets", package, ignore=without)
    shutil.copytree(CHECKOUT / "sql", package / "sql")
    shutil.copy(CHECKOUT / "dagster_home" / "dagster.yaml", package)
    return package.parent


def test_an_installed_package_plans(installed: Path, tmp_path: Path):
    told = subprocess.run(
        [sys.executable, "-c", "from srft_assets.cli import main; main()", "plan", "--all"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "SRFT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert "base_models/tiny" in told.stdout


def test_the_state_of_an_installed_package_lies_in_the_current_folder(installed, tmp_path):
    code = "from srft_assets.home import current_home; print(current_home().root)"
    stated = {name: value for name, value in os.environ.items() if name != "SRFT_HOME"}
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**stated, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(tmp_path.resolve())


def test_the_ui_of_an_installed_package_is_told_its_module(home, tmp_path, monkeypatch):
    seen: list[list[str]] = []
    for name in ("SRFT_HOME", "DAGSTER_HOME", "VIRTUAL_ENV", "PYTHONSAFEPATH", TOKEN):
        monkeypatch.setenv(name, str(home.root))
    monkeypatch.setattr(project, "CHECKOUT", tmp_path)
    monkeypatch.setattr(os, "execv", lambda path, words: seen.append(words[1:]))
    monkeypatch.chdir(tmp_path)
    dev.dev(port=3111)
    told = ["dagster", "dev", "-m", "srft_assets.definitions", "--port", "3111", "--host"]
    assert seen == [["-P", "-m", MODULE, *told, "127.0.0.1"]]
    assert Path.cwd() == home.dagster, "what lies in the current folder is not imported"
    assert os.environ["PYTHONSAFEPATH"] == "1"
