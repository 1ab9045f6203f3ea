"""Every view and named query holds what Polars finds in the frames of an uneven platform."""

from importlib import import_module

import pytest
from polars.testing import assert_frame_equal

from srft_assets.home import Home
from srft_assets.warehouse.query import run_query
from srft_assets.warehouse.sql import sql_files
from tests.sql.recounts.base import RECOUNTS
from tests.sql.uneven import Uneven, build

for name in ("of_runs", "of_labels", "of_arms"):
    import_module(f"tests.sql.recounts.{name}")

NAMES = sorted(file.name for file in sql_files("views", "queries"))


@pytest.fixture(scope="session")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Uneven:
    return build(Home(tmp_path_factory.mktemp("uneven")))


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_what_the_frames_say(uneven: Uneven, name: str) -> None:
    found = run_query(uneven.home, name)
    expected = RECOUNTS[name](uneven).select(found.columns)
    assert found.height > 0
    assert_frame_equal(found, expected.cast(dict(found.schema)), check_row_order=False)


def test_a_critic_costs_what_its_prices_make_of_its_tokens(uneven: Uneven) -> None:
    """Seven calls of about 1,000 and 20 tokens, on two runs, of which seven steps bear labels."""
    (row,) = run_query(uneven.home, "FROM critic_spending(2, 10)").iter_rows(named=True)
    usd = (sum(range(1001, 1008)) * 2 + 7 * 20 * 10) / 1_000_000
    assert (row["critic"], row["calls"], row["runs"], row["labelled_steps"]) == ("llm", 7, 2, 7)
    assert row["usd"] == pytest.approx(usd)
    assert row["usd_per_run"] == pytest.approx(usd / 2)
    assert row["usd_per_labelled_step"] == pytest.approx(usd / 7)
