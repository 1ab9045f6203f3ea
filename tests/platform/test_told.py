"""Dagster knows what a run made although the run did not end well."""

import dagster as dg
import pytest

from srft_assets.components.asset import build_asset
from srft_assets.components.platform import Platform
from srft_assets.trajectories.batches import write_batch
from srft_assets.warehouse.stage import Made, Work
from tests.outcomes.conftest import make


def told(instance: dg.DagsterInstance, key: str) -> dict[str, int]:
    """Rows by partition, as the page of the asset has them, one event each."""
    events = instance.fetch_materializations(dg.AssetKey(key), limit=100).records
    seen = [event.asset_materialization for event in events]
    rows = {one.partition: one.metadata["dagster/row_count"].value for one in seen}
    assert len(rows) == len(seen)
    return rows


def test_neighbours_of_a_broken_partition_are_known(apply, toy):
    toy.broken = {"a"}
    apply("source")
    assert apply.failed == {"source": {"a": "a is broken"}}
    assert told(apply.instance, "source") == {"b": 1}
    toy.broken = set()
    assert apply("source") == ["source/a"]
    assert told(apply.instance, "source") == {"a": 2, "b": 1}


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_what_was_made_before_an_interrupt_or_an_error_of_ours_is_known(apply, toy, end):
    source = toy._source

    def stops(work: Work) -> Made:
        if work.partition == "b":
            raise end("stopped")
        return source(work)

    toy._source = stops
    if end is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            apply("source")
    else:
        apply("source")
        assert apply.failed == {"source": {"b": "RuntimeError: stopped"}}
    assert told(apply.instance, "source") == {"a": 2}
    toy._source = source
    assert apply("source") == ["source/b"]
    assert told(apply.instance, "source") == {"a": 2, "b": 1}


def test_a_run_that_ends_well_tells_of_each_partition_once(apply):
    apply("source")
    assert told(apply.instance, "source") == {"a": 2, "b": 1}


def test_what_a_killed_process_made_is_told_of_by_the_next(apply, toy, home):
    stages = toy.stages()
    make(home, stages["source"], "a")
    assert apply("source") == ["source/b"]
    assert told(apply.instance, "source") == {"a": 2, "b": 1}
    assert apply("source") == []
    assert told(apply.instance, "source") == {"a": 2, "b": 1}


def test_an_instance_that_forgot_is_told_again(apply):
    apply()
    for key in ("source", "even/two", "total"):
        apply.instance.wipe_assets([dg.AssetKey(key.split("/"))])
    assert apply() == []
    assert told(apply.instance, "source") == {"a": 2, "b": 1}
    assert told(apply.instance, "total") == {"0": 1}


def test_a_run_over_all_leaves_out_batches_that_were_deleted(apply, toy, home):
    """Dagster keeps the key of a batch that is there no more."""
    apply.instance.add_dynamic_partitions("batch", ["a", "b"])
    write_batch(home, "b", "toy", {})

    run = dg.materialize(
        [build_asset(toy.stages()["source"])],
        instance=apply.instance,
        resources={"platform": Platform()},
        tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"},
    )
    assert run.success
    assert toy.made == ["source/b"]
    assert told(apply.instance, "source") == {"b": 1}
