"""`srft apply --budget-calls N`: it pays for no more, and what is left waits."""

import json

import dagster as dg
import pytest

from srft_assets.components.launch import open_instance
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


def test_a_run_of_the_ui_may_be_bounded_likewise(platform, server: Server, monkeypatch):
    monkeypatch.setenv("SRFT_HOME", str(platform.root))
    monkeypatch.setenv("DAGSTER_HOME", str(platform.dagster))
    with open_instance(platform) as instance:
        instance.add_dynamic_partitions("batch", ["one"])
        done = (
            defs()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                asset_selection=[dg.AssetKey(["step_verdicts", "default"])],
                partition_key="one",
                instance=instance,
                run_config={"resources": {"platform": {"config": {"max_calls": 1}}}},
                raise_on_error=False,
            )
        )
        failures = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    (told,) = (failure.user_failure_data.description for failure in failures)
    assert told.startswith(f"1 of 1 partitions of {VERDICTS} wait: one: the budget of this run")
    assert server.answered.total() == 1
