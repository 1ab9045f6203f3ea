"""The command line in this process, on a platform of its own."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from srft_assets.cli import main
from srft_assets.cli.app import DEBUG
from srft_assets.home import Home
from tests.trajectories.ingest_support import run_of, write_lines


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


Srft = Callable[..., Said]


def call(patch: pytest.MonkeyPatch, home: Home, words: tuple[str, ...]) -> int:
    """`srft …` on this platform; its exit code."""
    patch.setenv("SRFT_HOME", str(home.root))
    patch.setenv("DAGSTER_HOME", str(home.dagster))
    patch.setenv("COLUMNS", "200")
    patch.setenv(DEBUG, "")
    patch.setattr(sys, "argv", ["srft", *words])
    before = os.umask(0o022)
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        os.umask(before)
    return 0


@pytest.fixture
def speaking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Home], Srft]:
    """Give commands on a platform and hear what they say."""

    def on(home: Home) -> Srft:
        def run(*words: str) -> Said:
            capsys.readouterr()
            code = call(monkeypatch, home, words)
            said = capsys.readouterr()
            return Said(code, said.out, said.err)

        return run

    return on


@pytest.fixture
def srft(speaking: Callable[[Home], Srft], home: Home) -> Srft:
    """Commands on a platform of the test's own."""
    return speaking(home)


@pytest.fixture
def ask(speaking: Callable[[Home], Srft], once_filled: Home) -> Srft:
    """Commands that change nothing, on a platform that all tests share."""
    return speaking(once_filled)


@pytest.fixture(scope="session")
def once_filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two batches of two runs, one of them with a torn row, and their verdicts."""
    home = Home(tmp_path_factory.mktemp("filled") / "home")
    for name in ("one", "two"):
        rows = [run_of(f"{name}-{number}") for number in range(2)]
        path = write_lines(home.inbox / f"{name}.jsonl", rows)
        if name == "two":
            path.write_text(path.read_text() + '{"messages": [\n')
    with pytest.MonkeyPatch.context() as patch:
        for name in ("one", "two"):
            assert call(patch, home, ("ingest", str(home.inbox / f"{name}.jsonl"))) == 0
        assert call(patch, home, ("apply", "step_verdicts/rules")) == 0
    return home


@pytest.fixture
def filled(once_filled: Home, home: Home, srft: Srft) -> Home:
    """A copy of that platform for one test, moved with its sources."""
    shutil.copytree(once_filled.root, home.root)
    for name in ("one", "two"):
        assert srft("ingest", str(source(home, name))).code == 0
    return home


def source(home: Home, batch: str) -> Path:
    """The file that a batch was made from."""
    return home.inbox / f"{batch}.jsonl"


def environment(home: Home) -> dict[str, str]:
    """For `srft` in a process of its own."""
    return {**os.environ, "SRFT_HOME": str(home.root), "COLUMNS": "200", DEBUG: ""}
