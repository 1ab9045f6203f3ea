"""What waits: for the budget of a command, or for a batch of a provider."""

import json

import dagster as dg
import pytest

from srft_assets.components.launch import open_instance
from srft_assets.components.partitioning import ASKED_BATCHES
from srft_assets.components.platform import BY
from srft_assets.critic.spending import NIGHTLY
from srft_assets.definitions import defs
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.cli.conftest import Srft
from tests.critic.platform_support import graded_runs
from tests.critic.server import Server, serving

VERDICTS = "step_verdicts/default"
APPLY = ("apply", VERDICTS, "critic_scores/default")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    with serving() as server:
        monkeypatch.setenv("SRFT_CRITIC_URL", server.base_url)
        yield server


@pytest.fixture
def platform(home: Home) -> Home:
    """Two batches with two calls each."""
    for batch in ("one", "two"):
        graded_runs(home, [(f"{batch}-{number}", 2, False) for number in range(2)], batch)
    return home


def made(home: Home) -> list[str]:
    return Warehouse(home.warehouse).partitions(VERDICTS)


def test_a_command_stops_at_its_budget_and_the_next_goes_on(srft: Srft, platform, server: Server):
    said = srft(*APPLY, "--budget-calls", "3")
    assert said.code == 4, said.err
    assert server.answered.total() == 3, "of all batches together"
    told = said.out.splitlines()
    assert f"made {VERDICTS}: one" in told
    assert (
        f"waits {VERDICTS} two: the budget of this command: 3 calls are spent: 1 answered; "
        "run again to go on" in told
    )
    assert f"waits critic_scores/default all: for {VERDICTS}/two" in told
    assert told[-1].endswith(" in sync, 2 waiting.")
    assert "error" not in said.err
    assert made(platform) == ["one"]

    again = srft(*APPLY, "--budget-calls", "1", "--json")
    assert again.code == 0, "what was answered is not counted again"
    assert json.loads(again.out)["waiting"] == {}
    assert server.answered.total() == 4 and set(server.answered.values()) == {1}
    assert made(platform) == ["one", "two"]


def run_of(platform: Home, monkeypatch, **given) -> str:
    """A run of Dagster for the first batch: what it says at its end."""
    monkeypatch.setenv("SRFT_HOME", str(platform.root))
    monkeypatch.setenv("DAGSTER_HOME", str(platform.dagster))
    job = defs().resolve_implicit_global_asset_job_def()
    with open_instance(platform) as instance:
        instance.add_dynamic_partitions(ASKED_BATCHES + VERDICTS, ["one"])
        done = job.execute_in_process(
            asset_selection=[dg.AssetKey(["step_verdicts", "default"])],
            partition_key="one",
            instance=instance,
            raise_on_error=False,
            **given,
        )
        failures = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    return "; ".join(failure.user_failure_data.description for failure in failures)


def test_a_run_of_the_ui_may_be_bounded_likewise(platform, server: Server, monkeypatch):
    bounded = {"resources": {"platform": {"config": {"max_calls": 1}}}}
    told = run_of(platform, monkeypatch, run_config=bounded)
    assert told.startswith(f"1 of 1 partitions of {VERDICTS} wait: one: the budget of this run")
    assert server.answered.total() == 1


def test_the_schedule_goes_on_with_the_batch_of_a_command_that_did_not_wait(
    srft: Srft, platform, server: Server, monkeypatch
):
    monkeypatch.setenv("SRFT_CRITIC_BATCH", "true")
    server.provider.hold = True
    said = srft("apply", VERDICTS, "--no-wait")
    assert said.code == 4, said.err
    waits = f"waits {VERDICTS} one: waiting for batch batch-0 (in_progress, 0 of 2 calls, submitted"
    assert waits in said.out
    plan = srft("plan", "--critic", "default").out.splitlines()
    assert "4 calls of default are in batches under way: srft apply goes on." in plan
    rows = json.loads(srft("critic", "batches", "--json").out)["rows"]
    assert [(row["batch"], row["calls"], row["state"]) for row in rows] == [
        ("one", 2, "submitted"),
        ("two", 2, "submitted"),
    ]
    nightly = {"tags": {BY: NIGHTLY}}
    told = run_of(platform, monkeypatch, **nightly)
    assert told.startswith(f"1 of 1 partitions of {VERDICTS} wait: one: waiting for batch batch-0")
    server.provider.hold = False
    assert run_of(platform, monkeypatch, **nightly) == ""
    assert made(platform) == ["one"] and len(server.provider.batches) == 2
    assert not server.calls and set(server.answered.values()) == {1}
    assert srft("critic", "batches", "--forget", rows[0]["id"]).code == 2, "it is read"
    server.provider.slow = 2
    assert srft("apply", VERDICTS).code == 0, "who does not say so waits"
    assert made(platform) == ["one", "two"] and len(server.provider.batches) == 2
