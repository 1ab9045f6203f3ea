"""Every asset's page says whether it is in sync, and a partition's page why it is not."""

from collections.abc import Callable

import dagster as dg
import pytest

from srft_assets.components.launch import Applier
from srft_assets.components.platform import Platform
from srft_assets.components.server import CriticServer
from srft_assets.defs.in_sync import in_sync
from srft_assets.warehouse.store import Warehouse
from tests.defs.conftest import BATCHES
from tests.defs.stale import VERDICTS, make_stale
from tests.platform.silent import Silent

Tick = Callable[[], "Told"]


class Told:
    """What one tick reported."""

    def __init__(self, result: dg.SensorResult | dg.SkipReason) -> None:
        events = result.asset_events if isinstance(result, dg.SensorResult) else []
        self.skipped = str(result.skip_message) if isinstance(result, dg.SkipReason) else ""
        self.cursor = result.cursor if isinstance(result, dg.SensorResult) else None
        self.events = list(events)

    @property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        return {
            one.asset_key.to_user_string(): one
            for one in self.events
            if isinstance(one, dg.AssetCheckEvaluation)
        }

    @property
    def partitions(self) -> dict[str, str]:
        """State by `asset/partition`."""
        return {
            f"{one.asset_key.to_user_string()}/{one.partition or 'all'}": str(one.description)
            for one in self.events
            if isinstance(one, dg.AssetObservation)
        }


@pytest.fixture
def tick(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition) -> Tick:
    """Evaluate the sensor, and do to the instance what the daemon does."""
    cursor: list[str | None] = [None]

    def once() -> Told:
        with dg.build_sensor_context(
            instance,
            repository_def=repository,
            resources={"platform": Platform(critic_server=CriticServer())},
            cursor=cursor[0],
        ) as context:
            result = in_sync(context)
        told = Told(result)
        cursor[0] = told.cursor or cursor[0]
        for request in getattr(result, "dynamic_partitions_requests", None) or []:
            instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        for event in told.events:
            instance.report_runless_asset_event(event)
        return told

    return once


def test_every_asset_has_the_check(loaded):
    graph = loaded.resolve_asset_graph()
    checked = {k.asset_key for k in graph.asset_check_keys if k.name == "in_sync"}
    assert checked == set(graph.get_all_asset_keys())


def test_a_run_checks_what_it_made_and_the_tick_does_not_repeat_it(
    labelled, tick, instance, loaded
):
    make_stale(labelled, VERDICTS, "b", code="rules")
    Applier(loaded, labelled, instance, Silent()).apply([VERDICTS], BATCHES, [])
    key = dg.AssetCheckKey(dg.AssetKey(VERDICTS.split("/")), "in_sync")
    record = instance.get_latest_asset_check_evaluation_record(key)
    told = record.event.dagster_event.event_specific_data
    assert (told.passed, told.description) == (True, "2 in sync")
    first = tick()
    assert VERDICTS not in first.checks
    assert first.checks["trajectories"].description == "2 in sync"


def test_the_first_tick_tells_of_all_and_the_next_of_nothing(labelled, tick):
    told = tick()
    assert told.checks["trajectories"].description == "2 in sync"
    assert told.checks["masked_tokens/sft"].description == "2 waiting"
    assert told.checks["step_verdicts/strict"].description.startswith("not in use")
    assert told.partitions["masked_tokens/sft/a"] == "waiting"
    assert not {name for name in told.partitions if name.startswith("step_verdicts/rules")}
    assert "nothing changed" in tick().skipped


def test_a_partition_that_falls_out_of_sync_says_why_and_says_so_once(labelled, tick):
    tick()
    old = make_stale(labelled, VERDICTS, "b", code="rules")
    told = tick()
    assert told.partitions[f"{VERDICTS}/b"] == "stale"
    check = told.checks[VERDICTS]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.description == "1 in sync, 1 stale of 2 partitions"
    assert (
        check.metadata["not in sync"].value.splitlines()[2] == "| b | stale | code rules changed |"
    )
    assert "trajectories" not in told.checks
    assert "nothing changed" in tick().skipped
    warehouse = Warehouse(labelled.warehouse)
    warehouse.write(VERDICTS, "b", warehouse.read(VERDICTS, "b"), old)
    again = tick()
    assert again.partitions[f"{VERDICTS}/b"] == "in sync"
    assert again.checks[VERDICTS].passed


def test_the_page_of_a_partition_bears_state_and_reason(labelled, tick, instance):
    make_stale(labelled, VERDICTS, "b", code="rules")
    tick()
    filter_ = dg.AssetRecordsFilter(dg.AssetKey(VERDICTS.split("/")), asset_partitions=["b"])
    (record,) = instance.fetch_observations(filter_, limit=1).records
    metadata = record.asset_observation.metadata
    assert {name: value.value for name, value in metadata.items()} == {
        "state": "stale",
        "why": "code rules changed",
    }


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
def test_what_a_run_is_making_is_left_out_until_it_ends(labelled, tick, instance, loaded, status):
    tick()
    make_stale(labelled, VERDICTS, "b", code="rules")
    job = loaded.resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(
        job,
        asset_selection=frozenset([dg.AssetKey(VERDICTS.split("/"))]),
        status=status,
    )
    during = tick()
    assert VERDICTS not in during.checks
    assert f"{VERDICTS}/b" not in during.partitions
    instance.report_run_failed(run)
    instance.delete_run(run.run_id)
    assert tick().partitions[f"{VERDICTS}/b"] == "stale"


def test_a_dagster_made_anew_is_told_all_and_gets_to_know_the_batches(labelled, tick, instance):
    assert tick().checks[VERDICTS].description == "2 in sync"
    assert instance.get_dynamic_partitions("batch") == BATCHES
