"""`srft dev`: the Dagster UI, its daemon and our code location, as a user starts them."""

import pytest

from srft_assets.components.asset import stages_in
from srft_assets.definitions import defs
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.server import Server
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.browser import LOCATIONS, PARTITIONS, Browser
from tests.ui.conftest import DEFAULT, NIGHTLY, STRICT
from tests.ui.dev import Project, until

pytestmark = pytest.mark.timeout(600)


def statuses(browser: Browser, asset: str) -> dict[str, list[str]]:
    """Partitions that the asset's page shows as there, as failed and as being made."""
    return browser.ask(PARTITIONS, asset=asset.split("/"))["assetPartitionStatuses"]


def is_shown(browser: Browser, asset: str, partition: str) -> bool:
    """Whether the asset's page comes to show the partition as there.

    Dagster's server keeps these statuses in a cache that can lie behind the run's end for as long
    as other runs write beside it.
    """
    there = until(lambda: partition in statuses(browser, asset)["materializedPartitions"], 60)
    assert there, (asset, statuses(browser, asset))
    return there


def test_the_code_location_loads_with_everything_in_it(browser: Browser):
    (entry,) = browser.ask(LOCATIONS)["locationEntries"]
    assert entry["name"] == "srft"
    assert "message" not in entry["locationOrLoadError"], entry
    (repository,) = entry["locationOrLoadError"]["repositories"]
    keys = {"/".join(node["assetKey"]["path"]) for node in repository["assetNodes"]}
    assert keys == set(stages_in(defs()))
    jobs = {job["name"] for job in repository["jobs"]}
    assert jobs >= {"ingest_runs", "relabel", "label_new_runs", "train_arm", "evaluate_arm"}
    sensors = {one["name"]: one["sensorState"]["status"] for one in repository["sensors"]}
    assert set(sensors) >= {"alerts", "check_alerts", "inbox", "in_sync"}
    assert set(sensors.values()) == {"RUNNING"}
    schedules = {one["name"]: one["scheduleState"]["status"] for one in repository["schedules"]}
    assert schedules == {NIGHTLY: "STOPPED"}


@pytest.mark.usefixtures("nights")
def test_a_batch_is_materialized_from_the_ui(browser: Browser, home: Home):
    browser.add_partition("fresh")
    folder = home.root / "sources"
    ingest(home, [write_lines(folder / "fresh.jsonl", [run_of(name) for name in "klm"])])
    assets = ["trajectories", "test_outcomes", "integrity"]
    assets += ["step_verdicts/rules", "masked_tokens/srft"]
    assert browser.wait_for(browser.materialize(assets, "fresh")) == "SUCCESS"
    assert all(is_shown(browser, asset, "fresh") for asset in assets)
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
    assert is_shown(browser, "step_verdicts/rules", "beside")


def test_a_run_that_cannot_succeed_says_why(browser: Browser):
    browser.add_partition("ghost")
    run = browser.materialize(["trajectories"], "ghost")
    assert browser.wait_for(run) == "FAILURE"
    question = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection {
      events { ... on ExecutionStepFailureEvent { error { message } failureMetadata {
        description } } } } } }"""
    events = browser.ask(question, run=run)["events"]
    told = " ".join(str(event) for event in events if event)
    assert "no batch 'ghost': register it with `srft ingest`" in told


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
