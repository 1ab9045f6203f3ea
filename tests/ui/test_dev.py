"""`srft dev`: the Dagster UI, its daemon and our code location, as a user starts them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from srft_assets.components.stages import stages_in
from srft_assets.definitions import defs
from srft_assets.home import CHECKOUT, Home
from srft_assets.serving.environment import URL
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.store import Warehouse
from tests.chain.conftest import tokenizer_with, with_base_model
from tests.critic.server import Server, serving
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.browser import ADD_PARTITION, LOCATIONS, PARTITIONS, REPOSITORY, Browser
from tests.ui.dev import Project

__all__ = ["tokenizer_with", "with_base_model"]

pytestmark = pytest.mark.timeout(600)

STARTS = 2
"""One start in eleven dies with its daemon."""
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
    log = tmp_path_factory.mktemp("log") / "dev.log"
    for _ in range(STARTS):
        if dev := project.dev(log):
            break
    else:
        pytest.fail(f"no UI after {STARTS} starts:\n{log.read_text()[-4000:]}")
    yield dev.browser
    assert dev.stop() == set(), "Ctrl-C must end every process"


@pytest.fixture(scope="module")
def backfill(browser: Browser) -> str:
    """`Materialize all` of prompt and verdicts of `strict`, pressed before anything else."""
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


def until(is_so: Callable[[], bool], seconds: float = 150) -> bool:
    """Whether it becomes so in time."""
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.5)
    return is_so()


def materialized(browser: Browser, asset: str) -> list[str]:
    """Partitions that the asset's page shows as there."""
    shown = browser.ask(PARTITIONS, asset=asset.split("/"))["assetPartitionStatuses"]
    return shown["materializedPartitions"]


def test_the_code_location_loads_with_everything_in_it(browser: Browser):
    (entry,) = browser.ask(LOCATIONS)["locationEntries"]
    assert entry["name"] == "srft"
    assert "message" not in entry["locationOrLoadError"], entry
    (repository,) = entry["locationOrLoadError"]["repositories"]
    keys = {"/".join(node["assetKey"]["path"]) for node in repository["assetNodes"]}
    assert keys == set(stages_in(defs()))
    jobs = {job["name"] for job in repository["jobs"]}
    assert jobs >= {"ingest_runs", "relabel", "prepare_batch", "train_and_score"}
    sensors = {one["name"]: one["sensorState"]["status"] for one in repository["sensors"]}
    assert sensors == {"inbox": "RUNNING", "in_sync": "RUNNING"}
    schedules = {one["name"]: one["scheduleState"]["status"] for one in repository["schedules"]}
    assert schedules == {NIGHTLY: "STOPPED"}


@pytest.mark.usefixtures("nights")
def test_a_batch_is_materialized_from_the_ui(browser: Browser, home: Home):
    added = browser.ask(ADD_PARTITION, repository=REPOSITORY, partition="fresh")
    assert added["__typename"] == "AddDynamicPartitionSuccess"
    folder = home.root / "sources"
    ingest(home, [write_lines(folder / "fresh.jsonl", [run_of(name) for name in "klm"])])
    assets = ["trajectories", "test_outcomes", "step_verdicts/rules", "masked_tokens/srft"]
    assert browser.wait_for(browser.materialize(assets, "fresh")) == "SUCCESS"
    assert all("fresh" in materialized(browser, asset) for asset in assets)
    warehouse = Warehouse(home.warehouse)
    assert warehouse.read("trajectories", "fresh").height == 3
    assert warehouse.read("step_verdicts/rules", "fresh").height == 6
    assert warehouse.read("masked_tokens/srft", "fresh").height == 3


def test_a_file_in_the_inbox_is_read_by_itself(browser: Browser, home: Home):
    outcomes = Warehouse(home.warehouse).path("test_outcomes", "night")
    assert until(outcomes.exists)
    assert Warehouse(home.warehouse).read("trajectories", "night").height == 1


def test_at_night_exactly_what_an_edited_prompt_made_stale_is_labelled_again(
    home: Home, server: Server, morning: str
):
    """The daemon ticks, and nobody has reloaded the definitions: five runs, five calls."""
    warehouse = Warehouse(home.warehouse)
    for batch in ("mine", "other"):
        assert warehouse.stamp(DEFAULT, batch).run_id == morning
    assert warehouse.stamp(STRICT, "mine").run_id != morning
    assert server.answered.total() == 7 + 3 + 5
    assert set(server.answered.values()) == {1}, "nothing is paid for twice"


@pytest.mark.usefixtures("morning")
def test_materialize_all_makes_what_is_missing_and_keeps_what_is_in_sync(browser: Browser):
    assert browser.partition(STRICT, "other").get("kept") is True
    assert "kept" not in browser.partition(STRICT, "mine")


def test_the_command_line_works_beside_it_and_is_seen_in_it(
    browser: Browser, project: Project, home: Home
):
    path = write_lines(home.root / "sources" / "beside.jsonl", [run_of("e")])
    assert "batch beside: 1 runs" in project.srft("ingest", str(path))
    project.srft("apply", "step_verdicts/rules", "--batch", "beside")
    assert "beside" in materialized(browser, "step_verdicts/rules")


def test_a_run_that_cannot_succeed_says_why(browser: Browser):
    browser.ask(ADD_PARTITION, repository=REPOSITORY, partition="ghost")
    run = browser.materialize(["trajectories"], "ghost")
    assert browser.wait_for(run) == "FAILURE"
    question = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection {
      events { ... on ExecutionStepFailureEvent { error { message } failureMetadata {
        description } } } } } }"""
    events = browser.ask(question, run=run)["events"]
    told = " ".join(str(event) for event in events if event)
    assert "no batch 'ghost': register it with `srft ingest`" in told


def test_the_workspace_file_loads_the_same(tmp_path: Path):
    program = Path(sys.executable).parent / "dagster"
    done = subprocess.run(
        [program, "definitions", "validate", "-w", str(CHECKOUT / "workspace.yaml")],
        env={**os.environ, "SRFT_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "srft" in done.stdout + done.stderr


def test_dg_finds_nothing_to_say(tmp_path: Path):
    program = Path(sys.executable).parent / "dg"
    done = subprocess.run(
        [program, "check", "yaml"],
        env={**os.environ, "SRFT_HOME": str(tmp_path), "VIRTUAL_ENV": sys.prefix},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("morning")
def test_the_pages_say_what_is_in_sync_and_why_another_is_not(browser: Browser):
    assert until(lambda: browser.check(DEFAULT, "in_sync")["success"], 90)
    assert until(lambda: not browser.check(STRICT, "in_sync")["success"], 90)
    check = browser.check(STRICT, "in_sync")
    assert (check["severity"], check["stale"], check["in sync"]) == ("WARN", 2, 0)
    assert check["description"] == "2 stale"
    assert "review" in check["first"] and "judge" in check["first"]
    # The events of a tick come one after the other: checks first, then partitions.
    assert until(lambda: browser.partition(STRICT, "mine").get("state") == "stale", 90)
    told = browser.partition(STRICT, "mine")
    assert "prompt.md: line" in told["why"] and "judge" in told["why"]
