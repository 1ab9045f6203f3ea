"""The real definitions on a platform and an instance of their own."""

from collections.abc import Iterator

import dagster as dg
import pytest

from srft_assets.components.launch import open_instance
from srft_assets.definitions import defs
from srft_assets.home import Home


@pytest.fixture(scope="session")
def repository() -> dg.RepositoryDefinition:
    return defs().get_repository_def()


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the platform `home`, to which `SRFT_HOME` points."""
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with open_instance(home) as instance:
        yield instance
