"""The real definitions on a platform and an instance of their own."""

from collections.abc import Iterator

import dagster as dg
import pytest

from srft_assets.components.asset import stages_in
from srft_assets.components.launch import open_instance
from srft_assets.definitions import defs
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
from tests.defs.stale import VERDICTS
from tests.outcomes.conftest import make
from tests.trajectories.ingest_support import run_of, write_lines

BATCHES = ["a", "b"]


@pytest.fixture(scope="session")
def loaded() -> dg.Definitions:
    return defs()


@pytest.fixture(scope="module")
def repository(loaded: dg.Definitions) -> dg.RepositoryDefinition:
    return loaded.get_repository_def()


@pytest.fixture
def labelled(home: Home, loaded: dg.Definitions) -> Home:
    """Two batches, read and labelled by rules without Dagster; nothing behind them."""
    stages = stages_in(loaded)
    for batch in BATCHES:
        ingest(home, [write_lines(home.inbox / f"{batch}.jsonl", [run_of(batch)])])
        for key in ("trajectories", "test_outcomes", "integrity", VERDICTS):
            make(home, stages[key], batch)
    return home


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the platform `home`, to which `SRFT_HOME` points."""
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with open_instance(home) as instance:
        yield instance
