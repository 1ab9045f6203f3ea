"""Fixtures for all tests."""

from pathlib import Path

import pytest

from srft_assets.home import Home

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real runs, reports and tasks, kept beside the checkout; skips where they are absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED.parent.name}/{SHARED.name} beside the checkout")
    return SHARED


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A platform of its own."""
    return Home(tmp_path / "home")
