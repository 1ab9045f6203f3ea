"""The UI half of docs/first-hour.md, by the clicks of a user in Chromium.

SRFT_TEST_PICTURES=docs draws the pictures of that page anew.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srft_assets.components.launch import open_instance
from srft_assets.components.partitioning import BATCH
from srft_assets.home import CHECKOUT, Home
from srft_assets.platform.stages import load_stages
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from tests.chromium import opened_page
from tests.outcomes.conftest import make
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.dev import Project, opened

pytestmark = pytest.mark.timeout(300)

VERDICTS = "step_verdicts/rules"
PICTURES = os.environ.get("SRFT_TEST_PICTURES")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """One batch of three runs, read and graded, that Dagster knows and nobody has labelled."""
    home = Home(tmp_path / "home")
    rows = [{**run_of(name), "resolved": False, "patch": "diff"} for name in "abc"]
    ingest(home, [write_lines(home.root / "sources" / "mini.jsonl", rows)])
    stages = load_stages()
    for asset in ("trajectories", "test_outcomes"):
        make(home, stages[asset], "mini")
    with open_instance(home) as instance:
        instance.add_dynamic_partitions(BATCH, ["mini"])
    return home


@pytest.fixture
def address(home: Home, tmp_path: Path) -> Iterator[str]:
    """That of `srft dev` on the platform."""
    dev = opened(Project(CHECKOUT, home, {}), tmp_path / "dev.log")
    yield f"http://127.0.0.1:{dev.browser.port}"
    dev.stop()


@pytest.fixture
def page() -> Iterator[Any]:
    """An empty page of Chromium."""
    with opened_page() as page:
        yield page


def picture(page: Any, name: str) -> None:
    """Kept where pictures are asked for."""
    if PICTURES:
        page.wait_for_timeout(2000)
        page.screenshot(path=Path(PICTURES) / f"first-hour-{name}.png")


def test_a_partition_is_made_and_read_by_clicks(page: Any, address: str, home: Home):
    page.goto(address)
    page.get_by_role("link", name="Lineage").click()
    for group in ("trajectories", "step_verdicts", "masked_tokens", "checkpoints", "eval_scores"):
        page.locator("foreignObject", has_text=group).first.wait_for()
    picture(page, "graph")

    page.get_by_role("link", name="Catalog").click()
    page.locator(".CodeMirror:visible").first.click()
    page.keyboard.type("tag:critic=rules and group:step_verdicts")
    page.keyboard.press("Enter")
    page.locator(f"a[href='/assets/{VERDICTS}']").first.click()
    # With dots once the page knows of partitions; before, it would launch at once.
    page.get_by_text("Materialize…", exact=True).click()
    dialog = page.get_by_role("dialog")
    chosen = dialog.get_by_text("1 partition", exact=True)
    for _ in range(20):  # pressed before the dialog knows what is missing, it chooses nothing
        page.wait_for_timeout(2000)
        dialog.get_by_role("button", name="Missing", exact=True).click()
        page.wait_for_timeout(1000)
        if chosen.is_visible():
            break
    assert chosen.is_visible(), dialog.inner_text()
    picture(page, "launch")
    assert Warehouse(home.warehouse).stamp(VERDICTS, "mini") is None
    dialog.get_by_role("button", name="Launch 1 run").click()

    page.get_by_role("tab", name="Partitions").click()
    page.get_by_text("Materialized (1)").wait_for()
    page.get_by_text("mini", exact=True).locator("visible=true").first.click()
    page.get_by_text("data_version", exact=True).first.wait_for()
    stamp = Warehouse(home.warehouse).stamp(VERDICTS, "mini")
    assert stamp is not None
    shown = page.inner_text("body")
    assert stamp.data_version in shown and stamp.fingerprint in shown
    assert stamp.run_id[:8] in shown
    picture(page, "partition")

    seen = page.get_by_role("link", name="/?batch=mini&critic=rules").first
    assert seen.get_attribute("href").endswith(":3333/?batch=mini&critic=rules")
