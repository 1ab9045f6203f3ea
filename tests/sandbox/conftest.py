"""Fixtures for the sandbox's tests."""

from pathlib import Path

import pytest

from srft_assets.errors import SandboxMissingError
from srft_assets.sandbox import Sandbox, open_sandbox
from srft_assets.sandbox.unsafe import UnsafeSandbox


def _bubblewrap() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def sandbox() -> Sandbox:
    """The machine's real sandbox; skips where there is none."""
    return _bubblewrap()


@pytest.fixture(params=["bubblewrap", "unsafe"])
def either(request: pytest.FixtureRequest) -> Sandbox:
    """Both kinds: what holds for a plain subprocess too."""
    return UnsafeSandbox() if request.param == "unsafe" else _bubblewrap()


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """An empty folder to run in."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
