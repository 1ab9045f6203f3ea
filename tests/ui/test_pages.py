"""The UI half of docs/first-hour.md, by the clicks of a user in Chromium.

SRFT_TEST_PICTURES=docs draws the pictures of that page anew.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from srft_assets.home import Home
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse
from tests.chromium import opened_page
from tests.conftest import SHARED
from tests.critic.server import Server, serving
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.dev import Project, opened, until

pytestmark = pytest.mark.timeout(900)

VERDICTS = "step_verdicts/default"
ARMS = ("sft", "rft", "srft")
OF_ARMS = " or ".join(f"tag:arm={arm}" for arm in ARMS)
MASKS = f'key:"base_models/tiny" or key:integrity or (group:masked_tokens and ({OF_ARMS}))'
MODELS = f"(group:checkpoints or group:eval_scores) and ({OF_ARMS})"
PICTURES = os.environ.get("SRFT_TEST_PICTURES")
REAL = SHARED / "trajectories" / "mini-swe-agent-v1"
RUNS = (
    *("django__django-11163", "django__django-11790", "django__django-13512"),
    *("sympy__sympy-16886", "sympy__sympy-18763"),
)
"""Two resolved and three failed ones of which steps fit beside the prompt in 4,096 tokens."""
SETTINGS = """
critic: {{url: "{url}"}}
training: {{too_long: windows, max_steps: 2, batch_size: 2}}
evaluation: {{tasks: 4}}
"""


def write_real(folder: Path) -> None:
    """Real runs with their reports, where they are there; else ones that look alike."""
    if not REAL.is_dir():
        rows = [{**run_of(f"run-{n}"), "resolved": n < 2, "patch": "diff"} for n in range(5)]
        write_lines(folder / "runs.jsonl", rows)
        return
    for run in RUNS:
        folder.mkdir(exist_ok=True)
        shutil.copy(REAL / "trajs" / f"{run}.traj.json", folder)
        shutil.copytree(REAL / "logs" / run, folder / "logs" / run)


@pytest.fixture
def server() -> Iterator[Server]:
    """What the critic asks."""
    with serving() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Project:
    """One by `srft init`, with a critic and an arm of its own, and five runs that were read."""
    write_real(tmp_path / "runs")
    folder = tmp_path / "my-agent"
    made = Project(folder, Home(folder), {})
    Project(tmp_path, made.home, {}).srft("init", "my-agent")
    with (folder / "srft.yaml").open("a") as file:
        file.write(SETTINGS.format(url=server.base_url))
    made.srft("ingest", str(tmp_path / "runs"), "--batch", "mini")
    made.srft("critic", "new", "default", "--from", "default")
    made.srft("arm", "new", "srft", "--from", "srft")
    arm = folder / "arms" / "srft" / "defs.yaml"
    arm.write_text(arm.read_text().replace("critic: rules", "critic: default"))
    return made


@pytest.fixture
def address(project: Project, tmp_path: Path) -> Iterator[str]:
    """That of `srft dev` in the project."""
    dev = opened(project, tmp_path / "dev.log")
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


def launch(page: Any, choice: str, name: str = "") -> None:
    """Materialize what is open, by the dialog: the one partition that `choice` chooses."""
    # With dots once the page knows of partitions; before, it would launch at once.
    page.get_by_text(re.compile(r"^Materialize.*…$")).first.click()
    dialog = page.get_by_role("dialog")
    dialog.first.wait_for()
    if (confirm := dialog.get_by_role("button", name="Confirm")).is_visible():
        confirm.click()  # of the prompt, which the verdicts read themselves
    chosen = dialog.get_by_text("1 partition", exact=True)
    for _ in range(20):  # pressed before the dialog knows what there is, it chooses nothing
        page.wait_for_timeout(2000)
        dialog.get_by_role("button", name=choice, exact=True).click()
        page.wait_for_timeout(1000)
        if chosen.is_visible():
            break
    assert chosen.is_visible(), dialog.inner_text()
    if name:
        picture(page, name)
    dialog.get_by_role("button", name=re.compile("^Launch (1 run|backfill)$")).click()


def made(home: Home, asset: str, partition: str, before: Stamp | None = None) -> Stamp:
    """Its stamp, once there is another than before."""
    stored = Warehouse(home.warehouse)
    assert until(lambda: stored.stamp(asset, partition) not in (None, before), 400), asset
    stamp = stored.stamp(asset, partition)
    assert stamp is not None
    return stamp


def is_compared(page: Any) -> bool:
    """Whether the page, loaded anew, shows the comparison: by itself it does not follow the run."""
    page.reload()
    page.get_by_text("Latest materialization").first.wait_for()
    page.wait_for_timeout(5000)
    return page.get_by_text("differences", exact=True).is_visible()


def test_from_runs_to_a_comparison_by_clicks(
    page: Any, address: str, project: Project, server: Server
):
    home = project.home
    page.goto(address)
    page.get_by_role("link", name="Lineage").click()
    for group in ("trajectories", "step_verdicts", "masked_tokens", "checkpoints", "eval_scores"):
        page.locator("foreignObject", has_text=group).first.wait_for()
    picture(page, "graph")

    page.get_by_role("link", name="Catalog").click()
    page.locator(".CodeMirror:visible").first.click()
    page.keyboard.type("tag:critic=default and group:step_verdicts")
    page.keyboard.press("Enter")
    page.locator(f"a[href='/assets/{VERDICTS}']").first.click()
    launch(page, "Missing", "launch")
    first = made(home, VERDICTS, "mini")
    assert server.answered.total() == 3, "it judges the failed runs"
    page.get_by_role("tab", name="Partitions").click()
    page.get_by_text("Materialized (1)").wait_for()
    page.get_by_text("mini", exact=True).locator("visible=true").first.click()
    page.get_by_text("data_version", exact=True).first.wait_for()
    shown = page.inner_text("body")
    assert first.data_version in shown and first.fingerprint in shown
    assert first.run_id[:8] in shown
    picture(page, "partition")
    seen = page.get_by_role("link", name="/?batch=mini&critic=default").first
    assert seen.get_attribute("href").endswith(":3333/?batch=mini&critic=default")

    prompt = project.root / "critics" / "default" / "prompt.md"
    prompt.write_text(prompt.read_text().replace("You review", "You judge"))
    page.goto(f"{address}/assets/{VERDICTS}?view=checks&checkDetail=in_sync")
    page.get_by_text("1 stale").first.wait_for(timeout=180_000)
    assert "You judge" in page.inner_text("body")
    picture(page, "stale")
    page.goto(f"{address}/assets/{VERDICTS}")
    launch(page, "All")
    made(home, VERDICTS, "mini", first)
    assert server.answered.total() == 6

    page.goto(f"{address}/asset-groups~{quote(MASKS, safe='')}/")
    launch(page, "All")
    for arm in ARMS:
        assert made(home, f"masked_tokens/{arm}", "mini").rows
    page.goto(f"{address}/asset-groups~{quote(MODELS, safe='')}/")
    page.locator("foreignObject", has_text="eval_scores").first.wait_for()
    picture(page, "arms")
    launch(page, "All")
    for arm in ARMS:
        assert made(home, f"eval_scores/{arm}", "0").rows == 4

    page.goto(f"{address}/assets/comparison")
    page.get_by_text("Materialize", exact=True).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()  # other arms lack
    made(home, "comparison", ONLY)
    assert until(lambda: is_compared(page))
    page.get_by_text("differences", exact=True).scroll_into_view_if_needed()
    shown = page.inner_text("body")
    assert all(arm in shown for arm in ARMS) and "0 of 4" in shown
    picture(page, "compare")
