"""Every asset's page says whether it is in sync, and a partition's page why it is not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import dagster as dg
import pytest

from srft_assets.components.asset import build_asset, stages_in
from srft_assets.components.checks import ROWS, evaluation, observation, watch_checks
from srft_assets.components.launch import Applier
from srft_assets.components.platform import Platform
from srft_assets.components.run_repair import BY_COMMAND
from srft_assets.defs.sensors import in_sync, remembered
from srft_assets.platform.planning import look
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.plan import Item, State
from srft_assets.warehouse.stage import Said, Stage
from tests.defs.conftest import BATCHES
from tests.defs.stale import VERDICTS, make_stale, stamp
from tests.platform.toy import Silent, Toy

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
            resources={"platform": Platform()},
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


@pytest.mark.parametrize("cursor", ["no JSON", "[1]", '{"a": 1}', "null"])
def test_a_cursor_that_is_none_counts_as_none(cursor):
    assert remembered(cursor) == {}


def test_a_run_that_never_started_makes_nothing_after_a_while(
    labelled, tick, instance, loaded, monkeypatch
):
    tick()
    make_stale(labelled, VERDICTS, "b", code="rules")
    instance.create_run_for_job(
        loaded.resolve_implicit_global_asset_job_def(),
        asset_selection=frozenset([dg.AssetKey(VERDICTS.split("/"))]),
        status=dg.DagsterRunStatus.NOT_STARTED,
    )
    monkeypatch.setattr("srft_assets.components.run_repair.START_SECONDS", -1.0)
    monkeypatch.setattr("srft_assets.defs.sensors.datetime", LongAfter)
    assert tick().partitions[f"{VERDICTS}/b"] == "stale"


class LongAfter(datetime):
    """A clock on which what happened now lies behind."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(hours=1)


def test_the_run_of_a_killed_command_is_closed_and_what_it_was_making_is_told(
    labelled, tick, instance, loaded
):
    make_stale(labelled, VERDICTS, "b", code="rules")
    run = instance.create_run_for_job(
        loaded.resolve_implicit_global_asset_job_def(),
        asset_selection=frozenset([dg.AssetKey(VERDICTS.split("/"))]),
        tags=BY_COMMAND,
        status=dg.DagsterRunStatus.STARTED,
    )
    assert tick().partitions[f"{VERDICTS}/b"] == "stale"
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE


def test_a_dagster_made_anew_is_told_all_and_gets_to_know_the_batches(labelled, tick, instance):
    assert tick().checks[VERDICTS].description == "2 in sync"
    assert instance.get_dynamic_partitions("batch") == BATCHES


def test_a_critic_that_costs_money_is_wanted_where_its_verdicts_exist(labelled, loaded):
    stages = stages_in(loaded)
    key = "step_verdicts/strict"
    assert look(stages, labelled).items[key] == []
    assert evaluation(key, []).passed
    warehouse = Warehouse(labelled.warehouse)
    old = stamp(labelled, VERDICTS, "a")
    recipe = replace(old.recipe, config={**old.recipe.config, "model": "another"})
    warehouse.write(key, "a", warehouse.read(VERDICTS, "a"), replace(old, recipe=recipe))
    (item,) = look(stages, labelled).items[key]
    assert (item.partition, item.state) == ("a", State.STALE)


def test_of_seeds_the_first_is_wanted_and_those_whose_checkpoint_exists(labelled, loaded):
    stages = stages_in(loaded)
    warehouse = Warehouse(labelled.warehouse)
    old = stamp(labelled, VERDICTS, "a")
    warehouse.write("checkpoints/srft", "3", warehouse.read(VERDICTS, "a"), old)
    items = look(stages, labelled).items
    names = {key: [item.partition for item in of] for key, of in items.items()}
    assert names["checkpoints/srft"] == names["eval_scores/srft"] == ["0", "3"]
    assert names["checkpoints/sft"] == ["0"]


def test_seeds_that_are_there_become_known_and_those_of_controls_apart(labelled, tick, instance):
    warehouse = Warehouse(labelled.warehouse)
    for asset, seed in (("checkpoints/srft", "3"), ("checkpoints/oracle_mask", "12")):
        old = stamp(labelled, VERDICTS, "a")
        warehouse.write(asset, seed, warehouse.read(VERDICTS, "a"), old)
    tick()
    assert instance.get_dynamic_partitions("seed") == ["0", "3"]
    assert instance.get_dynamic_partitions("seed_on_request") == ["12"]


def test_a_seed_that_is_no_number_is_refused_where_it_is_made(instance):
    instance.add_dynamic_partitions("seed", ["01"])
    toy = Toy()
    made = dg.materialize(
        [build_asset(toy.stages()["total"])],
        partition_key="01",
        instance=instance,
        resources={"platform": Platform()},
        raise_on_error=False,
    )
    (failed,) = made.get_step_failure_events()
    assert "a seed is a number" in failed.step_failure_data.user_failure_data.description
    assert not toy.made


def test_watches_are_those_that_the_files_state_by_now(instance):
    def saying(line: str) -> dict[str, Stage]:
        source = Toy().stages()["source"]
        return {"source": replace(source, watches={"rows_trained": lambda *_: Said(line)})}

    checks = watch_checks(saying("old"), lambda: saying("new"))
    done = dg.materialize(
        [build_asset(saying("old")["source"]), checks],
        selection=dg.AssetSelection.checks(checks),
        instance=instance,
        resources={"platform": Platform()},
    )
    (told,) = done.get_asset_check_evaluations()
    assert told.description == "new"


def test_a_plan_over_some_assets_is_of_these_alone(labelled, loaded):
    assert set(look(stages_in(loaded), labelled, [VERDICTS]).items) == {VERDICTS}


def test_what_is_needed_and_was_never_made_fails():
    assert not evaluation("step_verdicts/rules", [], needed=True).passed
    assert evaluation("step_verdicts/strict", [], needed=False).passed


def shown(item: Item) -> dg.AssetObservation:
    return observation(item, Toy().stages()["source"])


def test_a_batch_may_be_called_as_the_only_partition_of_other_assets_is():
    item = Item("source", ONLY, State.MISSING)
    assert shown(item).partition == ONLY
    whole = replace(Toy().stages()["source"], partitioned_by="none")
    assert observation(item, whole).partition is None


def test_hostile_reasons_are_shown_as_they_are_written():
    why = 'prompt.md: line 1: "<img src=x>" → "[a](http://x)|\n# b `c`\x1b[31m"'
    items = [Item("a", "p", State.STALE, (why,))]
    (row,) = str(evaluation("a", items).metadata["not in sync"].value).splitlines()[2:]
    for live in ("<img", "[a](", "`c`", "\x1b", "\n#"):
        assert live not in row.replace("\\`", "")
    assert isinstance(shown(items[0]).metadata["why"], dg.TextMetadataValue)
    assert "\x1b" not in str(shown(items[0]).metadata["why"].value)


def test_the_table_is_bounded():
    items = [Item("a", f"p{n}", State.MISSING) for n in range(ROWS + 7)]
    told = str(evaluation("a", items).metadata["not in sync"].value)
    assert len(told.splitlines()) == 2 + ROWS + 2
    assert "… and 7 more: `srft plan a`" in told


def test_a_reason_is_bounded():
    item = Item("a", "p", State.STALE, tuple(f"file {n}.json: 1 → 2" for n in range(5000)))
    assert len(str(shown(item).metadata["why"].value)) == 2000
    assert len(str(evaluation("a", [item]).metadata["not in sync"].value)) < 500
