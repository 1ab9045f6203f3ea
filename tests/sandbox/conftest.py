"""Fixtures for the sandbox's tests."""

from pathlib import Path

import pytest

from srft_assets.sandbox import Sandbox, UnsafeSandbox, sandbox_status
from srft_assets.sandbox.cgroups import OwnCgroup, find_own


@pytest.fixture(params=["bubblewrap", "unsafe"])
def either(request: pytest.FixtureRequest) -> Sandbox:
    """Both kinds: what holds for a plain subprocess too."""
    unsafe = request.param == "unsafe"
    return UnsafeSandbox() if unsafe else request.getfixturevalue("sandbox")


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """An empty folder to run in."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def own(sandbox: Sandbox) -> OwnCgroup:
    """Where this process makes its cgroups; skips where it makes none."""
    found = find_own()
    if found is None or "pids cgroup" not in sandbox_status():
        pytest.skip(sandbox_status())
    return found
