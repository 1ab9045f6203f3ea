"""The command line in this process, on a platform of its own."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from srft_assets import definitions
from srft_assets.cli import main
from srft_assets.cli.app import DEBUG
from srft_assets.home import Home
from srft_assets.project.folder import component_files, current_project
from srft_assets.project.settings import settings
from srft_assets.tokens.token_labels import MASKED_TOKENS, MaskedRow, Span
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe
from tests.trajectories.ingest_support import run_of, write_lines


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


Srft = Callable[..., Said]
Fill = Callable[[Home, Callable[..., int]], None]
"""Gives commands, which return their exit codes, on a platform."""


LOAD = definitions.defs


@lru_cache(maxsize=4)
def loaded(stated: str) -> dg.Definitions:
    """The graph as these settings and files state it; to load it anew is a third of a command."""
    return LOAD()


def current() -> dg.Definitions:
    """In place of `srft_assets.definitions.defs`."""
    beside = {path.parent for path in component_files()}
    files = [(path, path.stat().st_mtime_ns) for one in sorted(beside) for path in one.iterdir()]
    return loaded(f"{settings()!r} {current_project().root} {files}")


def call(patch: pytest.MonkeyPatch, home: Home, words: tuple[str, ...]) -> int:
    """`srft …` on this platform; its exit code."""
    patch.setenv("SRFT_HOME", str(home.root))
    patch.setenv("DAGSTER_HOME", str(home.dagster))
    patch.setenv("COLUMNS", "200")
    patch.setenv(DEBUG, "")
    patch.setattr(definitions, "defs", current)
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


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the platform of every test lies: a batch names the files that it was made from, so that
    a copy elsewhere would have to be ingested again."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def home(place: Path) -> Home:
    """A platform of the test's own."""
    shutil.rmtree(place)
    place.mkdir()
    return Home(place / "home")


@pytest.fixture(scope="session")
def once(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Home, Fill], Home]:
    """Fill a platform by commands, or by a copy of what they left when they were given before."""
    copies = tmp_path_factory.mktemp("copies")

    def filled(home: Home, fill: Fill) -> Home:
        kept = copies / f"{fill.__module__}.{fill.__qualname__}"
        if not kept.exists():
            with pytest.MonkeyPatch.context() as patch:
                fill(home, lambda *words: call(patch, home, words))
            shutil.copytree(home.root, kept)
        else:
            shutil.copytree(kept, home.root)
        return home

    return filled


@pytest.fixture
def srft(speaking: Callable[[Home], Srft], home: Home) -> Srft:
    """Commands on a platform of the test's own."""
    return speaking(home)


@pytest.fixture
def ask(speaking: Callable[[Home], Srft], once_filled: Home) -> Srft:
    """Commands that change nothing, on a platform that all tests share."""
    return speaking(once_filled)


def two_batches(home: Home, srft: Callable[..., int]) -> None:
    """Two batches of two runs, one of them with a torn row, and their verdicts."""
    for name in ("one", "two"):
        rows = [run_of(f"{name}-{number}") for number in range(2)]
        path = write_lines(source(home, name), rows)
        if name == "two":
            path.write_text(path.read_text() + '{"messages": [\n')
        assert srft("ingest", str(path)) == 0
    assert srft("apply", "step_verdicts/rules") == 0


@pytest.fixture(scope="session")
def once_filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """`two_batches`, for questions."""
    home = Home(tmp_path_factory.mktemp("filled") / "home")
    with pytest.MonkeyPatch.context() as patch:
        two_batches(home, lambda *words: call(patch, home, words))
    return home


@pytest.fixture
def filled(home: Home, once: Callable[[Home, Fill], Home]) -> Home:
    """`two_batches`, for a test that changes them."""
    return once(home, two_batches)


@pytest.fixture
def masked(filled: Home) -> Home:
    """That platform with masks of batch `one`, made otherwise than the platform would."""
    warehouse = Warehouse(filled.warehouse)
    rows = []
    for run in warehouse.read("trajectories", "one").iter_rows(named=True):
        spans = (Span(0, 2, 5, True, "good"), Span(1, 7, 9, False, "mistake"))
        ids = pl.Series(range(1, 11), dtype=pl.Int32).to_numpy()
        ids_of = (run["trajectory_id"], run["instance_id"], "unknown")
        rows.append(MaskedRow(*ids_of, ids, spans).as_row())
    frame = pl.DataFrame(rows, schema=MASKED_TOKENS)
    recipe = Recipe(config={"model": "tiny", "critic": "rules", "mask": ["mistake"]})
    version, at = data_version(frame), "2026-01-01T00:00:00"
    stamp = Stamp(recipe, recipe.fingerprint, version, frame.height, "test", at)
    warehouse.write("masked_tokens/srft", "one", frame, stamp)
    return filled


def source(home: Home, batch: str) -> Path:
    """The file that a batch was made from."""
    return home.inbox / f"{batch}.jsonl"


def environment(home: Home) -> dict[str, str]:
    """For `srft` in a process of its own."""
    return {**os.environ, "SRFT_HOME": str(home.root), "COLUMNS": "200", DEBUG: ""}
