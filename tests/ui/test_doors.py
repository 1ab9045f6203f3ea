"""One word of a prompt, or one bad batch, from every door of the UI: as from the command line.

The fixtures of `tests.ui.conftest` begin anew for this module. Each test edits the prompt of the
critic `default` further, and another door makes what follows.
"""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse
from tests.critic.server import Server
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.browser import PARTITIONS, Browser
from tests.ui.conftest import DEFAULT
from tests.ui.dev import Project

pytestmark = pytest.mark.timeout(600)

PROMPT = "critic_prompt/default"
RULES = "step_verdicts/rules"


def stamp(home: Home, batch: str, asset: str = DEFAULT) -> Stamp:
    found = Warehouse(home.warehouse).stamp(asset, batch)
    assert found is not None, f"{asset}/{batch} was never made"
    return found


def words(home: Home, batch: str) -> str:
    """The prompt that a partition says it was made from."""
    return stamp(home, batch).recipe.config["prompt.md"]


def version(home: Home, asset: str, batch: str) -> str:
    """The version that every row of a partition bears."""
    return Warehouse(home.warehouse).read(asset, batch)["version"].unique().item()


def states(project: Project) -> dict[str, str]:
    """What `srft plan` says of the verdicts, by batch."""
    told = orjson.loads(project.srft("plan", DEFAULT, "--json", "--all"))["partitions"]
    return {
        item["partition"]: item["state"]
        for item in told
        if item["asset"] == DEFAULT and item["partition"] in ("mine", "other")
    }


def test_materialize_of_one_asset_alone_uses_the_edited_prompt(
    browser: Browser, project: Project, home: Home, server: Server
):
    paid = server.answered.total()
    project.edit_prompt("default", "You review", "You examine")
    assert browser.wait_for(browser.materialize([DEFAULT], "mine")) == "SUCCESS"
    assert server.answered.total() - paid == 3, "the runs of the batch, once each"
    assert "You examine" in words(home, "mine")
    assert "You review" in words(home, "other"), "nobody asked for the other batch"
    assert version(home, DEFAULT, "mine") == version(home, PROMPT, ONLY)
    assert version(home, DEFAULT, "other") != version(home, PROMPT, ONLY)
    assert states(project) == {"mine": "in sync", "other": "stale"}


def test_materialize_of_all_partitions_keeps_what_is_in_sync(
    browser: Browser, project: Project, home: Home, server: Server
):
    paid = server.answered.total()
    backfill = browser.materialize_all([DEFAULT], ["mine", "other"])
    assert browser.wait_for_backfill(backfill) == "COMPLETED_SUCCESS"
    assert server.answered.total() - paid == 2
    assert "You examine" in words(home, "other")
    assert states(project) == {"mine": "in sync", "other": "in sync"}


def test_dg_launch_uses_the_edited_prompt(project: Project, home: Home, server: Server):
    paid = server.answered.total()
    project.edit_prompt("default", "You examine", "You inspect")
    launched = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dg")), "launch", "--assets", DEFAULT),
            *("--partition-range", "mine...other"),
        ],
        cwd=project.root,
        env={
            **os.environ,
            "PYTHONPATH": str(project.root),
            "SRFT_HOME": str(home.root),
            "DAGSTER_HOME": str(home.dagster),
            **project.environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert launched.returncode == 0, launched.stdout + launched.stderr
    assert server.answered.total() - paid == 5
    assert all("You inspect" in words(home, batch) for batch in ("mine", "other"))
    assert states(project) == {"mine": "in sync", "other": "in sync"}


def test_back_to_an_earlier_prompt_pays_for_nothing(
    browser: Browser, project: Project, home: Home, server: Server
):
    paid = server.answered.total()
    project.edit_prompt("default", "You inspect", "You examine")
    backfill = browser.materialize_all([PROMPT, DEFAULT], ["mine", "other"])
    assert browser.wait_for_backfill(backfill) == "COMPLETED_SUCCESS"
    assert server.answered.total() == paid
    assert all("You examine" in words(home, batch) for batch in ("mine", "other"))


def test_a_batch_that_cannot_be_read_stops_nothing_behind_the_others(
    browser: Browser, project: Project, home: Home
):
    for batch in ("lost", "sound"):
        source = write_lines(
            home.root / "sources" / f"{batch}.jsonl",
            [{**run_of(f"{batch}-1"), "resolved": False, "patch": "diff"}],
        )
        ingest(home, [source], partitions=False)
        browser.add_partition(batch)
    (home.root / "sources" / "lost.jsonl").unlink()

    chain = ["trajectories", "test_outcomes", RULES]
    backfill = browser.materialize_all(chain, ["lost", "sound"])
    assert browser.wait_for_backfill(backfill) == "COMPLETED_FAILED"
    for asset in chain:
        stamp(home, "sound", asset)
        shown = browser.ask(PARTITIONS, asset=asset.split("/"))["assetPartitionStatuses"]
        there = shown["materializedPartitions"]
        assert "sound" in there and "lost" not in there, asset
    assert "lost: 1 of 1 sources" in reasons(browser, backfill).replace("batch lost", "lost")


def reasons(browser: Browser, backfill: str) -> str:
    """What the failed steps of a backfill's runs tell."""
    question = """query($backfill: String!) { runsOrError(filter: {tags: [
      {key: "dagster/backfill", value: $backfill}]}) { ... on Runs { results { runId } } } }"""
    events = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection {
      events { ... on ExecutionStepFailureEvent { failureMetadata { description } } } } } }"""
    runs = [one["runId"] for one in browser.ask(question, backfill=backfill)["results"]]
    return " ".join(str(e) for run in runs for e in browser.ask(events, run=run)["events"] if e)
