"""Fixtures for all tests."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from srft_assets.errors import SandboxMissingError
from srft_assets.home import Home
from srft_assets.sandbox import Sandbox, open_sandbox

# How fast an example runs says something about the machine, not about the code.
settings.register_profile("srft", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("srft")

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


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """The machine's real sandbox; skips where there is none."""
    try:
        return open_sandbox()
    except SandboxMissingError as error:
        pytest.skip(str(error))
