"""The plan: what is in sync, missing, stale and why, or orphaned, over the whole graph."""

import os
from dataclasses import replace

import polars as pl
import pytest

from srft_assets.errors import SrftError
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.partitions import DamagedError, InputChangedError
from srft_assets.warehouse.plan import Costs, State, make_plan


def test_of_nothing_sources_are_missing_and_the_rest_waits(graph):
    assert graph.away() == {
        "prompt/c/all": (State.MISSING, ()),
        "runs/a": (State.MISSING, ()),
        "runs/b": (State.MISSING, ()),
        "verdicts/c/a": (State.WAITING, ("for runs/a",)),
        "verdicts/c/b": (State.WAITING, ("for runs/b",)),
        "model/0": (State.WAITING, ("for verdicts/c/a",)),
    }


def test_what_was_made_is_in_sync_and_a_plan_writes_nothing(made):
    before = sorted(made.home.root.rglob("*"))
    assert made.away() == {}
    made.words = "other"
    assert made.away() != {}
    assert sorted(made.home.root.rglob("*")) == before


def test_a_setting_that_two_stages_read_is_told_at_both(made):
    made.words = "Tag"
    told = ('prompt.md: "label" → "Tag"',)
    assert made.away() == {
        "prompt/c/all": (State.STALE, told),
        "verdicts/c/a": (State.STALE, told),
        "verdicts/c/b": (State.STALE, told),
        "model/0": (State.WAITING, ("for verdicts/c/a",)),
    }


def test_an_edge_that_decides_nothing_makes_nothing_wait(made):
    made.comment = "x"
    assert made.away() == {"prompt/c/all": (State.STALE, ('comment: "" → "x"',))}
    made.words = "Tag"
    made.make("verdicts/c", "model")
    assert list(made.away()) == ["prompt/c/all"]


def test_an_input_that_was_not_there_before_is_new(made):
    old = made.warehouse.stamp("verdicts/c", "a")
    before = replace(old.recipe, inputs={})
    stamp = replace(old, recipe=before, fingerprint=before.fingerprint)
    made.warehouse.write("verdicts/c", "a", made.warehouse.read("verdicts/c", "a"), stamp)
    assert made.plan()["verdicts/c/a"].why == ("input runs/a is new",)


def test_identical_output_stops_the_wave(made):
    made.words = "LABEL"
    assert "model/0" in made.away()
    made.make("prompt/c", "verdicts/c")
    assert made.away() == {}


def test_a_changed_source_is_named_and_reaches_its_batch_alone(made):
    made.runs["a"] = "9"
    assert made.away() == {
        "runs/a": (State.STALE, ('file: "1" → "9"',)),
        "verdicts/c/a": (State.WAITING, ("for runs/a",)),
        "model/0": (State.WAITING, ("for verdicts/c/a",)),
    }


def test_what_waits_says_behind_what(made):
    made.runs["a"] = "9"
    assert made.plan()["model/0"].behind == "verdicts/c/a"
    assert made.plan()["runs/a"].behind == ""


@pytest.mark.parametrize("costs", [Costs.ESTIMATED, Costs.EXACT])
def test_costs_are_those_of_what_is_known_to_be_made(made, costs):
    asked: list[str] = []
    made.price = lambda home, batch: asked.append(batch) or Cost(calls=3, answered=1, usd=0.5)
    assert all(item.cost is None for item in made.plan(costs=costs).values())
    assert asked == []
    made.words = "Tag"
    assert made.plan()["verdicts/c/a"].cost is None
    items = made.plan(costs=costs)
    assert asked == ["a", "b"]
    total = sum((item.cost for item in items.values() if item.cost), Cost())
    assert total == Cost(calls=6, answered=2, usd=1.0, exact=costs is Costs.EXACT)
    made.runs["b"] = "9"
    waiting = made.plan(costs=costs)["verdicts/c/b"].cost
    assert (waiting is None) == (costs is Costs.ESTIMATED), "exactly: as if the runs came out alike"


def test_what_is_missing_behind_an_input_is_told_too_and_all_where_the_whole_is_asked(made):
    made.runs["c"] = "3"
    assert made.plan(Costs.ESTIMATED)["verdicts/c/c"].cost == Cost(calls=2, answered=1, exact=False)
    whole = made.plan(Costs.WHOLE)
    assert [name for name, item in whole.items() if item.cost] == [
        f"verdicts/c/{batch}" for batch in "abc"
    ]
    assert whole["verdicts/c/a"].state is State.IN_SYNC


def test_costs_add_up_with_what_is_unknown_of_them():
    one = Cost(calls=2, tokens=10, unknown={"gpu_hours": "no rate"}, basis=("Counted.",))
    two = Cost(disk=3, gpu_hours=0.5, exact=False, unknown={"disk": "images"}, basis=("Counted.",))
    assert one + two == Cost(
        calls=2,
        tokens=10,
        disk=3,
        gpu_hours=0.5,
        exact=False,
        unknown={"gpu_hours": "no rate", "disk": "images"},
        basis=("Counted.",),
    )


def test_a_torn_partition_is_stale_by_its_path_and_stops_no_other(made):
    path = made.warehouse.path("runs", "a")
    os.truncate(path, 200)
    plan = made.plan()
    assert plan["runs/a"].state is State.STALE
    assert f"{path} is damaged: " in plan["runs/a"].why[0]
    assert plan["verdicts/c/a"].state is State.WAITING
    assert plan["verdicts/c/b"].state is State.IN_SYNC
    made.make("runs")
    assert made.away() == {}


def test_rows_that_cannot_be_read_are_named_with_what_mends_them(made):
    path = made.warehouse.path("runs", "a")
    content = bytearray(path.read_bytes())
    content[4:40] = bytes(36)
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=rf"{path} is damaged .*srft doctor --repair"):
        made.warehouse.read("runs", "a")


def test_a_stage_never_reads_rows_other_than_were_written(made):
    warehouse = made.warehouse
    stamp, rows = warehouse.stamp("runs", "a"), warehouse.read("runs", "a")
    assert warehouse.read("runs", "a", version=stamp.data_version).equals(rows)
    text = next(name for name, kind in rows.schema.items() if kind == pl.String)
    warehouse.write("runs", "a", rows.with_columns(pl.lit("x").alias(text)), stamp)
    with pytest.raises(DamagedError, match="its rows are not those that were written"):
        warehouse.read("runs", "a", version=stamp.data_version)


def test_a_changed_byte_is_told_or_changes_no_row(made):
    path = made.warehouse.path("runs", "a")
    content = path.read_bytes()
    stamp = made.warehouse.stamp("runs", "a")
    rows = made.warehouse.read("runs", "a")
    told = 0
    for at in range(4, len(content) - len(stamp.to_bytes()), 3):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x21]) + content[at + 1 :])
        try:
            assert made.warehouse.read("runs", "a", version=stamp.data_version).equals(rows)
        except (DamagedError, InputChangedError):
            told += 1
    assert told


def test_settings_that_cannot_be_told_block_their_partition_alone(made):
    stages = made.stages
    told = SrftError("batch a: damaged manifest")
    of = stages["runs"].config_of

    def config_of(home, batch):
        if batch == "a":
            raise told
        return of(home, batch)

    stages["runs"] = replace(stages["runs"], config_of=config_of)
    items = make_plan(stages, made.home, made.warehouse, made.names)
    states = {f"{item.asset}/{item.partition}": item.state for item in items}
    assert (states["runs/a"], states["runs/b"]) == (State.WAITING, State.IN_SYNC)
    assert items[[*states].index("runs/a")].why == (str(told),)
