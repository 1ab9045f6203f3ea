"""Fixtures for all tests."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, settings

from srft_assets.errors import SandboxMissingError
from srft_assets.home import Home
from srft_assets.sandbox import Sandbox, open_sandbox

# `make test &` in a script ignores SIGINT, and all that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# As in the Makefile, for who starts pytest itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Several workers share few cores: torch's threads would take them from each other by spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How fast an example runs says something about the machine, not about the code.
settings.register_profile("srft", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("srft")

TOGETHER = {
    "tests/outcomes/harness/": "docker",
    "tests/rollouts/test_docker_daemon.py": "docker",
    "tests/test_container.py": "docker",
    "tests/specs/": "specs",
    "plugins/srft-sdists/tests/": "sdists",
}
"""Tests that one worker takes: others would only wait for the one Docker daemon, or would make the
platform of `tests/specs` and the environments of the plug-in again."""
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file to a worker, and what stands together to one."""
    from xdist.scheduler.loadfile import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            named = (group for start, group in TOGETHER.items() if nodeid.startswith(start))
            return next(named, None) or super()._split_scope(nodeid)

    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _revisions_are_read_once() -> Iterator[None]:
    """Alembic reads sixty files for each database of Dagster's that is made or opened, so for every
    run, too: most of what opening an instance takes."""
    read, kept = ScriptDirectory.from_config, {}

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in kept:
            kept[place] = read(config)
        return kept[place]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", from_config)
        yield


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
