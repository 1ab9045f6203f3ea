"""Whatever a run, a critic or a person wrote, in every place of every page it is text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest

from srft_assets.critic.gold.annotations import set_label
from srft_assets.critic.gold.labels import GoldLabel
from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.view.app import templates
from srft_assets.view.index import Index
from srft_assets.view.report import report
from srft_assets.view.statistics import CHARTS
from srft_assets.warehouse.catalogue import build_catalogue
from tests.chromium import opened_page
from tests.view.served import HOSTILE, MARKDOWN, SCRIPT, Served, filled, serving

ACTIVE = "main script, main img, main iframe, main object, main [onerror], main a[href^=javascript]"
SIGNS = "\x00\x07\x1b\u202e"
WHO = f'{SCRIPT[:30]}"x'
NAMES = ("instance_id", "scaffold", "model", "exit_status")


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A run that is hostile in its names and tools, too, and what a hostile person said of it."""
    home = filled(Home(tmp_path_factory.mktemp("owned") / "home"))
    warehouse = Index(home).warehouse
    frame, stamp = (
        warehouse.read("trajectories", "hostile"),
        warehouse.stamp("trajectories", "hostile"),
    )
    assert stamp is not None
    steps = frame["n_steps"][0]
    tools = pl.Series("step_tools", [[[HOSTILE]] * steps], frame.schema["step_tools"])
    words = pl.Series("step_words", [[HOSTILE] * steps], frame.schema["step_words"])
    named = [pl.lit(f"{name} {HOSTILE}").alias(name) for name in NAMES]
    warehouse.write("trajectories", "hostile", frame.with_columns(*named, tools, words), stamp)
    build_catalogue(home, SCHEMAS)
    run = frame["trajectory_id"][0]
    for step in range(steps):
        label = GoldLabel(
            trajectory_id=run, step_index=step, label="good", note=HOSTILE, annotator=WHO
        )
        set_label(home, "mine", label, None)
    return home


@pytest.fixture(scope="module")
def pages(owned: Home) -> Iterator[Served]:
    with serving(owned) as served:
        yield served


def test_every_page_shows_hostile_text_as_text(pages: Served, owned: Home) -> None:
    run = Index(owned).runs().filter(batch="hostile")["trajectory_id"][0]
    query = {"who": WHO, "set": "mine", "run": run, "blind": ""}
    paths = [
        *("/", f"/?{urlencode({'search': HOSTILE, 'place': 'reasons'})}", "/?critic=one&other=two"),
        f"/?{urlencode({'where': SCRIPT, 'search': SCRIPT, 'batch': SCRIPT})}",
        *(f"/run/{run}", f"/run/{SCRIPT.replace('/', '%2F')}", f"/pair?a={run}&b={run}"),
        *("/judge", f"/judge?{urlencode(query)}", f"/judge?{urlencode({**query, 'set': SCRIPT})}"),
        *(
            "/compare?a=one&b=two",
            f"/compare?{urlencode({'a': SCRIPT})}",
            f"/mask/{run}?arm={SCRIPT}",
        ),
        *(f"/statistics?chart={chart.name}&critic=one" for chart in CHARTS),
        f"/statistics?{urlencode({'chart': SCRIPT, 'critic': SCRIPT})}",
    ]
    with opened_page() as page:
        done: list[str] = []
        page.on("dialog", lambda dialog: (done.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: done.append(str(error)))
        page.on("console", lambda told: done.append(told.text) if "Policy" in told.text else None)
        page.goto(pages.link())
        shown = 0
        for path in paths:
            page.goto(pages.at(path))
            text = page.text_content("body")
            shown += SCRIPT in text
            assert page.locator(ACTIVE).count() == 0, path
            assert not [sign for sign in SIGNS if sign in text + page.title()], path
            assert page.evaluate("window.owned") is None and not done, (path, done)
    assert shown >= 12, "the pages do show what the run says"


def test_the_report_shows_it_as_text(owned: Home, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report(owned, templates(), ["hostile", "plain"], [], f"srft report {SCRIPT}"))
    with opened_page() as page:
        refused: list[Any] = []
        page.on("console", lambda told: refused.append(told.text))
        page.goto(file.as_uri())
        text = page.text_content("body")
        assert SCRIPT in text and MARKDOWN in text and page.locator(ACTIVE).count() == 0
        assert not [sign for sign in SIGNS if sign in text]
        assert page.evaluate("window.owned") is None and not refused
