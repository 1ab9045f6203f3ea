"""The platforms of `tests/warehouse`."""

import pytest

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue
from tests.warehouse.conftest import filled

__all__ = ["filled"]


@pytest.fixture(scope="session")
def empty_once(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A platform on which nothing was ever materialized; for reading only."""
    home = Home(tmp_path_factory.mktemp("empty"))
    build_catalogue(home, SCHEMAS)
    return home
