"""Fixtures for the tests of the plug-in."""

from pathlib import Path

import pytest
from small_project import world

from srft_assets.home import Home

__all__ = ["home", "world"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A platform of its own."""
    return Home(tmp_path / "home")
