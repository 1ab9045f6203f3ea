"""What a plan is of: one partition, patterns, orphans, and what is asked for by name."""

import pytest

from srft_assets.errors import UsageError
from srft_assets.warehouse.making import MissingInputError, recipe_of
from srft_assets.warehouse.plan import State, in_sync, orphans
from srft_assets.warehouse.stage import in_order, unasked, with_upstream


def test_a_batch_outside_the_pattern_reaches_nothing_further(made):
    made.only = ("a", "b")
    made.make("model")
    made.runs["c"] = "3"
    assert set(made.away()) == {"runs/c", "verdicts/c/c"}


def test_a_new_batch_within_the_pattern_is_waited_for(made):
    made.runs["c"] = "3"
    assert made.away()["model/0"] == (State.WAITING, ("for verdicts/c/c",))
    made.make("runs", "verdicts/c")
    assert made.away() == {"model/0": (State.STALE, ("input verdicts/c/c is new",))}


def test_without_a_matching_partition_it_is_told_what_to_make(made):
    made.only = ("lab-*",)
    state, (why,) = made.away()["model/0"]
    assert state is State.WAITING
    assert (
        why
        == "verdicts/c has no partition that matches lab-*: make it first (srft apply verdicts/c)"
    )
    with pytest.raises(MissingInputError, match=r"matches lab-\*"):
        recipe_of(made.stages["model"], made.home, made.warehouse, "0")


def test_one_partition_alone(made):
    verdicts = made.stages["verdicts/c"]
    assert in_sync(verdicts, made.home, "a")
    made.warehouse.path("verdicts/c", "a").unlink()
    assert not in_sync(verdicts, made.home, "a")
    assert not in_sync(verdicts, made.home, "never")


def test_orphans_are_of_assets_and_batches_that_are_gone(made):
    assert orphans(made.stages, made.warehouse, made.names) == []
    del made.runs["b"]
    stages = made.stages
    del stages["model"]
    found = orphans(stages, made.warehouse, made.names)
    assert [(item.asset, item.partition, item.state, item.why) for item in found] == [
        ("model", "0", State.ORPHANED, ("no such asset any more",)),
        ("runs", "b", State.ORPHANED, ("no such batch any more",)),
        ("verdicts/c", "b", State.ORPHANED, ("no such batch any more",)),
    ]


def test_earlier_versions_are_no_orphans(made):
    made.words = "Tag"
    made.make()
    assert len(list((made.home.warehouse / "versions").rglob("*.parquet"))) == 2
    assert orphans(made.stages, made.warehouse, made.names) == []


def test_stages_come_after_all_they_need(graph):
    assert [stage.key for stage in in_order(graph.stages)] == [
        "prompt/c",
        "runs",
        "verdicts/c",
        "model",
    ]


def test_what_is_named_brings_what_it_needs_and_no_more(graph):
    assert set(with_upstream(graph.stages, ["verdicts/c"])) == {"prompt/c", "runs", "verdicts/c"}
    with pytest.raises(UsageError, match=r"no asset 'x'; there are: model, prompt/c, runs"):
        with_upstream(graph.stages, ["x"])


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("verdict/c", "no asset 'verdict/c'; did you mean verdicts/c?"),
        ("c", "no asset 'c'; did you mean prompt/c, verdicts/c?"),
    ],
)
def test_a_misspelt_asset_is_answered_with_those_like_it(graph, named, told):
    with pytest.raises(UsageError) as raised:
        with_upstream(graph.stages, [named])
    assert str(raised.value) == told


def test_an_input_that_is_not_there_is_told_with_the_asset_that_needs_it(graph):
    stages = graph.stages
    del stages["prompt/c"]
    with pytest.raises(UsageError, match="no asset 'prompt/c', which verdicts/c needs; "):
        with_upstream(stages, ["verdicts/c"])


def test_what_costs_money_is_made_where_it_is_needed_only(graph):
    stages = graph.stages
    assert "verdicts/c" in unasked(stages)
    del stages["model"]
    assert set(unasked(stages)) == {"runs", "prompt/c"}
