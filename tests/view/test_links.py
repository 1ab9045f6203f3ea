"""Where links from Dagster lead: to pages that there are, without a token."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from srft_assets.home import Home
from srft_assets.platform.stages import load_stages
from srft_assets.project.settings import settings
from srft_assets.view import link
from srft_assets.view.app import PAGES
from srft_assets.view.index import Index
from srft_assets.view.runs import Filters, find_runs
from srft_assets.view.statistics import CHARTS

MAIN = {
    *("trajectories", "test_outcomes", "step_verdicts", "masked_tokens"),
    *("checkpoints", "eval_scores", "gold_labels", "critic_scores", "comparison"),
}


@pytest.mark.parametrize("asset", sorted(load_stages()))
def test_every_link_leads_to_a_page_that_there_is(asset: str) -> None:
    for partition in ("mine", ""):
        address = link(asset, partition)
        if address is None:
            assert asset.split("/")[0] not in MAIN
            continue
        parts = urlsplit(address)
        asked = dict(parse_qsl(parts.query))
        assert (parts.netloc, parts.path in PAGES) == (f"127.0.0.1:{settings().view.port}", True)
        assert "token" not in asked
        if parts.path == "/":
            assert Filters.of(asked).batch == partition
        assert asked.get("chart", CHARTS[0].name) in {chart.name for chart in CHARTS}


def test_links_lead_where_the_pages_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRFT_VIEW_PORT", "4001")
    assert (link("trajectories", "mine") or "").startswith("http://127.0.0.1:4001/?")


def test_the_link_of_verdicts_shows_their_runs(home: Home) -> None:
    asked = dict(parse_qsl(urlsplit(link("step_verdicts/one", "plain") or "").query))
    rows = find_runs(Index(home), Filters.of(asked)).rows
    assert [row["instance_id"] for row in rows] == ["a", "b", "c"]
    assert {row["labels"] for row in rows} == {"gumrg-"}
