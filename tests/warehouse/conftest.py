"""Fixtures: an empty and a filled warehouse, with their catalogues."""

import pytest

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.partitions import Warehouse
from tests.warehouse.filled import fill
from tests.warehouse.filled_ledger import fill_ledger
from tests.warehouse.graph import Graph


@pytest.fixture
def warehouse(home: Home) -> Warehouse:
    return Warehouse(home.warehouse)


@pytest.fixture
def empty(home: Home) -> Home:
    """A platform on which nothing was ever materialized."""
    build_catalogue(home, SCHEMAS)
    return home


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A platform with four runs and six calls of critics; for reading only."""
    home = Home(tmp_path_factory.mktemp("filled"))
    fill(home)
    fill_ledger(home)
    build_catalogue(home, SCHEMAS)
    return home


@pytest.fixture
def graph(home: Home) -> Graph:
    return Graph(home)


@pytest.fixture
def made(graph: Graph) -> Graph:
    graph.make()
    return graph
