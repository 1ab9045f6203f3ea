"""A platform whose critics have labelled, with `srft dev` on it; a night passes over it."""

import os
from collections.abc import Iterator

import pytest

from srft_assets.home import Home
from srft_assets.serving import URL
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from tests.chain.conftest import tokenizer_with, with_base_model
from tests.critic.server import Server, serving
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.browser import Browser
from tests.ui.dev import Project, opened, until

__all__ = ["tokenizer_with", "with_base_model"]

DEFAULT, STRICT = "step_verdicts/default", "step_verdicts/strict"
NIGHTLY = "relabel_nightly"
EVERY_MINUTE = "* * * * *"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """What the critics ask; it counts what it answered."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def home(with_base_model, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A platform with two batches that nobody has read, and a file in its inbox."""
    home = Home(tmp_path_factory.mktemp("ui") / "home")
    folder = home.root / "sources"
    for batch, names in (("mine", "abc"), ("other", "xy")):
        rows = [{**run_of(name), "resolved": False, "patch": "diff"} for name in names]
        ingest(home, [write_lines(folder / f"{batch}.jsonl", rows)])
    night = write_lines(home.inbox / "night.jsonl", [run_of("d")])
    os.utime(night, (0, 0))
    with_base_model(home)
    return home


@pytest.fixture(scope="module")
def project(home: Home, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The critic `default` has labelled both batches, five runs; `strict` only `other`, two."""
    settings = {URL: server.base_url, "SRFT_RELABEL_CRON": EVERY_MINUTE}
    project = Project(tmp_path_factory.mktemp("project"), home, settings)
    project.copy()
    project.srft("apply", DEFAULT, "--batch", "mine", "--batch", "other")
    project.srft("apply", STRICT, "--batch", "other")
    assert server.answered.total() == 7
    return project


@pytest.fixture(scope="module")
def browser(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The UI, opened."""
    dev = opened(project, tmp_path_factory.mktemp("log") / "dev.log")
    yield dev.browser
    assert dev.stop() == set(), "Ctrl-C must end every process"


@pytest.fixture(scope="module")
def backfill(browser: Browser) -> str:
    """`Materialize all` of prompt and verdicts of `strict`, pressed before anything else."""
    browser.add_partition("mine", of=f"batches of {STRICT}")
    return browser.materialize_all(["critic_prompt/strict", STRICT], ["mine", "other"])


@pytest.fixture(scope="module")
def nights(browser: Browser, project: Project, backfill: str) -> str:
    """One word of the prompt of `default` is edited while all runs, and the nights begin.

    The id of their schedule.
    """
    project.edit_prompt("default", "review", "examine")
    return browser.switch_on(NIGHTLY)


@pytest.fixture(scope="module")
def morning(browser: Browser, home: Home, project: Project, nights: str, backfill: str) -> str:
    """A night has labelled, none follows, and one word of `strict` is edited; the night's run."""
    warehouse = Warehouse(home.warehouse)
    before = warehouse.stamp(DEFAULT, "mine").run_id
    assert browser.wait_for_backfill(backfill) == "COMPLETED_SUCCESS"
    assert until(lambda: warehouse.stamp(DEFAULT, "mine").run_id != before), browser.ticks(NIGHTLY)
    browser.switch_off(nights)
    runs = {run for tick in browser.ticks(NIGHTLY) for run in tick["runIds"]}
    assert {browser.wait_for(run) for run in runs} == {"SUCCESS"}
    project.edit_prompt("strict", "review", "judge")
    made_by = warehouse.stamp(DEFAULT, "mine").run_id
    assert made_by in runs
    return made_by
