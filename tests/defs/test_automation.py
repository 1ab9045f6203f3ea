"""Assets that make themselves: off by default, by the plan of every other door, within a budget."""

from collections.abc import Callable

import dagster as dg
import pytest

from srft_assets.components.partitioning import to_know
from srft_assets.defs.automation import sensors
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform.stages import load_stages
from srft_assets.project.settings import settings
from srft_assets.warehouse.partitions import Warehouse
from tests.defs.stale import make_stale

OUTCOMES, VERDICTS = "test_outcomes", "step_verdicts/rules"
DEFAULT = "step_verdicts/default"


def chosen(loaded: dg.Definitions) -> set[str]:
    """What the sensor watches, as the settings state it."""
    (sensor,) = sensors(settings())
    keys = sensor.asset_selection.resolve(loaded.resolve_asset_graph())
    return {key.to_user_string() for key in keys}


def test_nothing_makes_itself_by_default():
    assert sensors(settings()) == []


def test_what_is_free_is_watched_and_no_training_no_control_no_paid_critic(loaded, monkeypatch):
    monkeypatch.setenv("SRFT_AUTOMATION_FREE", "true")
    watched = chosen(loaded)
    assert {OUTCOMES, VERDICTS, "masked_tokens/srft", "comparison"} <= watched
    assert not {DEFAULT, "masked_tokens/random_mask", "checkpoints/srft"} & watched


def test_a_paid_critic_is_watched_only_where_a_budget_of_the_day_is_stated(loaded, monkeypatch):
    monkeypatch.setenv("SRFT_AUTOMATION_PAID", "true")
    assert sensors(settings()) == []
    monkeypatch.setenv("SRFT_RELABEL_MAX_CALLS", "100")
    assert chosen(loaded) == {DEFAULT, "step_verdicts/strict", "step_verdicts/with_patch"}
    monkeypatch.setenv("SRFT_RELABEL_CRITICS", "strict,nobody")
    assert chosen(loaded) == {"step_verdicts/strict"}
    monkeypatch.setenv("SRFT_AUTOMATION_FREE", "true")
    assert {VERDICTS, "step_verdicts/strict"} <= chosen(loaded)


@pytest.fixture
def tick(labelled: Home, loaded, instance, monkeypatch) -> Callable[[], set[tuple[str, str]]]:
    """One tick of the sensor, as the daemon has it evaluated; what it asks for."""
    monkeypatch.setenv("SRFT_AUTOMATION_FREE", "true")
    instance.add_dynamic_partitions("batch", ["a", "b"])

    def ticked() -> set[tuple[str, str]]:
        (sensor,) = sensors(settings())
        merged = dg.Definitions.merge(loaded, dg.Definitions(sensors=[sensor]))
        repository = merged.get_repository_def()
        context = dg.build_sensor_context(
            instance, repository_def=repository, sensor_name=sensor.name
        )
        asked = sensor.evaluate_tick(context).run_requests
        assert {request.tags["srft/by"] for request in asked} <= {"automation"}
        return {
            (key.to_user_string(), request.partition_key)
            for request in asked
            for key in request.asset_selection or ()
        }

    return ticked


def test_what_is_in_sync_is_not_asked_for(tick):
    assert tick() == set()


def test_what_is_stale_is_asked_for_and_what_is_behind_it_waits(tick, labelled: Home):
    make_stale(labelled, OUTCOMES, "a")
    assert tick() == {(OUTCOMES, "a")}


def test_its_run_makes_it_and_the_next_tick_asks_for_nothing(
    tick, labelled: Home, loaded, instance
):
    make_stale(labelled, VERDICTS, "b")
    ((asset, batch),) = tick()
    assert (asset, batch) == (VERDICTS, "b")
    job = loaded.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(asset.split("/"))]
    assert job.execute_in_process(
        instance=instance, asset_selection=keys, partition_key=batch
    ).success
    assert tick() == set()


def test_a_paid_critic_is_asked_for_the_batches_of_relabel(
    tick, labelled: Home, loaded, instance, monkeypatch
):
    made = Warehouse(labelled.warehouse)
    for batch in ("a", "b"):
        made.write(DEFAULT, batch, made.read(VERDICTS, batch), made.stamp(VERDICTS, batch))
    instance.add_dynamic_partitions(f"batches of {DEFAULT}", ["a", "b"])
    assert tick() == set(), "paid critics are not asked"
    monkeypatch.setenv("SRFT_AUTOMATION_PAID", "true")
    monkeypatch.setenv("SRFT_AUTOMATION_FREE", "false")
    monkeypatch.setenv("SRFT_RELABEL_MAX_CALLS", "100")
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "b")
    assert tick() == {(DEFAULT, "b")}


def test_a_named_critic_is_asked_for_batches_it_never_saw(
    tick, labelled: Home, loaded, instance, monkeypatch
):
    monkeypatch.setenv("SRFT_AUTOMATION_PAID", "true")
    monkeypatch.setenv("SRFT_AUTOMATION_FREE", "false")
    monkeypatch.setenv("SRFT_RELABEL_MAX_CALLS", "100")
    monkeypatch.setenv("SRFT_RELABEL_CRITICS", "default")
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "b")
    assert tick() == set(), "Dagster does not know the partition yet"
    for kind, names in to_know(loaded.resolve_asset_graph().assets_defs, labelled).items():
        instance.add_dynamic_partitions(kind, names)
    assert tick() == {(DEFAULT, "b")}


def test_an_arm_that_was_deleted_since_stops_nothing_else(tick, labelled: Home, monkeypatch):
    make_stale(labelled, OUTCOMES, "a")
    gone = ("comparison", "masked_tokens/srft", "checkpoints/srft", "eval_scores/srft")
    left = {key: stage for key, stage in load_stages().items() if key not in gone}
    monkeypatch.setattr("srft_assets.defs.automation.load_stages", lambda: left)
    assert tick() == {(OUTCOMES, "a")}


def test_what_failed_is_not_asked_for_again_and_again(
    tick, labelled: Home, loaded, instance, monkeypatch
):
    make_stale(labelled, VERDICTS, "b")
    monkeypatch.setattr(
        "srft_assets.platform.worker_pool.make_current",
        lambda *_: (_ for _ in ()).throw(SrftError("no")),
    )
    job = loaded.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(VERDICTS.split("/"))],
        partition_key="b",
        raise_on_error=False,
    )
    assert not done.success
    assert tick() == set()
