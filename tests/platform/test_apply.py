"""`apply` makes exactly what is out of sync, as Dagster runs."""

import os

import dagster as dg
import pytest

from srft_assets.components.checks import sql_check
from srft_assets.components.platform import Platform
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import State, make_plan
from tests.platform.toy import Toy

ALL = ["source/a", "source/b", "even/two/a", "even/two/b", "total/0"]


def total(home: Home) -> int:
    return Warehouse(home.warehouse).read("total", "0")["n"].item()


def test_everything_is_made_upstream_first(apply, home):
    assert apply() == ALL
    assert total(home) == 6


def test_a_second_time_nothing_is_made(apply):
    apply()
    assert apply() == []


def test_wanting_one_asset_makes_what_it_needs_and_no_more(apply):
    assert apply("even/two") == ALL[:4]


def test_a_setting_remakes_its_stage_and_what_depends_on_it(apply, toy, home):
    apply()
    toy.keep = 4
    assert apply() == ["even/two/a", "even/two/b", "total/0"]
    assert total(home) == 4


def test_identical_output_stops_the_wave(apply, toy):
    apply()
    toy.sources["a"] = [3, 2]
    assert apply() == ["source/a", "even/two/a"]


def test_a_new_batch_remakes_only_what_it_reaches(apply, toy, home):
    apply()
    toy.sources["b2"] = [10]
    assert apply() == ["source/b2", "even/two/b2", "total/0"]
    assert total(home) == 16


def test_a_batch_outside_the_pattern_does_not_reach_the_total(apply, toy):
    apply()
    toy.sources["z"] = [10]
    assert apply() == ["source/z", "even/two/z"]


def test_one_broken_partition_does_not_stop_its_neighbours(apply, toy, home):
    toy.broken = {"a"}
    apply()
    assert apply.failed == {
        "source": {"a": "a is broken"},
        "even/two": {"a": "waits for source/a, which failed"},
    }
    warehouse = Warehouse(home.warehouse)
    assert warehouse.partitions("source") == warehouse.partitions("even/two") == ["b"]
    assert warehouse.partitions("total") == ["0"], "what gathers batches takes those there are"


def test_what_gathers_batches_that_are_all_broken_waits_for_one(apply, toy):
    toy.broken = {"a", "b"}
    apply()
    assert apply.failed["total"] == {"0": "waits for even/two/a, which failed"}


def test_neighbours_share_a_run_and_gaps_split_it(apply, toy):
    toy.sources = {name: [2] for name in "abcd"}
    apply("source")
    toy.sources |= {"a": [4], "b": [4], "d": [4]}
    before = apply.instance.get_runs_count()
    assert apply("source") == ["source/a", "source/b", "source/d"]
    assert apply.instance.get_runs_count() - before == 2


def test_an_unknown_asset_is_a_wrong_call(apply):
    with pytest.raises(UsageError, match="no asset 'nope'"):
        apply("nope")


def test_dagster_knows_rows_refusals_and_provenance_of_each_partition(apply, toy):
    toy.sources["a"] = [1, -2, 3]
    apply()
    events = apply.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("source"), asset_partitions=["a"]), limit=1
    ).records
    metadata = events[0].asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 2
    assert metadata["refused"].value == 1
    assert metadata["numbers"].value == 2
    assert metadata["provenance"].value["config"] == {"numbers": [1, -2, 3]}


def plan(toy: Toy, home: Home) -> dict[str, tuple[State, tuple[str, ...]]]:
    items = make_plan(toy.stages(), home, Warehouse(home.warehouse), toy.names)
    return {f"{item.asset}/{item.partition}": (item.state, item.why) for item in items}


def test_the_plan_says_what_changed_and_what_waits_for_it(apply, toy, home):
    apply()
    toy.keep = 4
    told = plan(toy, home)
    assert told["source/a"] == (State.IN_SYNC, ())
    assert told["even/two/a"] == (State.STALE, ("keep: 2 → 4",))
    assert told["total/0"] == (State.WAITING, ("for even/two/a",))


def test_the_plan_of_an_empty_platform(toy, home):
    told = plan(toy, home)
    assert {state for state, _ in told.values()} == {State.MISSING, State.WAITING}


def test_a_torn_partition_is_made_again_and_the_other_batch_is_left_alone(apply, home):
    apply()
    os.truncate(Warehouse(home.warehouse).path("source", "a"), 200)
    assert apply("even/two") == ["source/a"]


def test_a_check_over_a_torn_partition_fails_and_stops_no_run(home, monkeypatch):
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    torn = home.warehouse / "trajectories" / "torn.parquet"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"PAR1 and no more")
    check = sql_check("trajectories", "trajectory_ids_unique", "A batch holds a run once")
    result = check(Platform())
    assert not result.passed and str(torn) in result.description
