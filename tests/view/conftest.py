"""A platform with runs that others wrote, judged by two critics; its pages in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from srft_assets.cli.platform import refresh_catalogue
from srft_assets.home import Home
from tests.chromium import opened_page
from tests.view.served import Served, filled, serving
from tests.warehouse.filled import fill
from tests.warehouse.filled_ledger import fill_ledger


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """See `filled`."""
    return filled(Home(tmp_path_factory.mktemp("view") / "home"))


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A platform with rows in every table."""
    home = Home(tmp_path_factory.mktemp("full") / "home")
    fill(home)
    fill_ledger(home)
    refresh_catalogue(home)
    return home


@pytest.fixture(scope="session")
def served(home: Home) -> Iterator[Served]:
    """Its pages."""
    with serving(home) as served:
        yield served


@pytest.fixture
def page(served: Served) -> Iterator[Any]:
    """A page of Chromium that opened a link; what a script of a run would do fails the test."""
    with opened_page() as page:
        done: list[str] = []
        page.on("dialog", lambda dialog: (done.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: done.append(str(error)))
        page.goto(served.link())
        yield page
        assert not done
        assert page.evaluate("window.owned") is None
