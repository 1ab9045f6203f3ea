"""The two tables of a comparison, its notes and its verdict."""

import polars as pl
import pytest

from srft_assets.compare import PAIRS, compare_arms
from srft_assets.compare.arms import ARMS
from srft_assets.compare.stage import arm_table, legend_of, pair_table, verdict_of
from srft_assets.errors import UsageError
from tests.compare.frames import scores

THREE = scores(low=["-" * 30], mid=["+" * 8 + "-" * 22], high=["+" * 27 + "-" * 3])


def test_arms_come_best_first_and_every_two_are_compared():
    found = compare_arms(THREE)
    assert found.arms.schema == ARMS
    assert found.pairs.schema == PAIRS
    assert found.arms["arm"].to_list() == ["high", "mid", "low"]
    assert found.pairs.select("arm", "against").rows() == [
        ("high", "mid"),
        ("high", "low"),
        ("mid", "low"),
    ]
    assert (found.pairs["p_holm"] >= found.pairs["p_value"]).all()


def test_named_arms_keep_their_order_and_are_compared_with_the_one_stated():
    found = compare_arms(THREE, ["low", "high"], against="mid")
    assert found.arms["arm"].to_list() == ["low", "high", "mid"]
    assert found.pairs.select("arm", "against").rows() == [("low", "mid"), ("high", "mid")]
    assert compare_arms(THREE, against="mid").pairs.height == 2
    assert compare_arms(THREE, ["mid"]).pairs.schema == PAIRS


def test_scores_of_a_larger_family_need_larger_differences():
    alone = compare_arms(THREE, ["high", "mid"]).pairs["detectable"][0]
    assert compare_arms(THREE).pairs["detectable"][0] > alone


@pytest.mark.parametrize(
    ("arms", "settings", "told"),
    [
        (["best"], {}, "no scores of an arm 'best'; there are: high, low, mid"),
        ([], {"against": "best"}, "no scores of an arm 'best'"),
        (["mid"], {"seeds": [0, 3]}, "arm mid has no scores with seed 3; it has seed 0"),
    ],
)
def test_what_is_not_there_is_told(arms, settings, told):
    with pytest.raises(UsageError, match=told):
        compare_arms(THREE, arms, **settings)


def test_only_the_stated_seeds_count():
    found = compare_arms(scores(a=["++", "--"], b=["+-", "--"]), seeds=[1])
    assert found.arms["resolved"].to_list() == [0, 0]


def test_unlike_tasks_are_paired_where_they_meet_and_that_is_said():
    found = compare_arms(scores(a=["++-+"], b=["+-"]))
    assert found.pairs["tasks"].to_list() == [2]
    assert "a has 4 tasks, b 2: the 2 in common are paired." in found.notes


def test_arms_that_share_nothing_are_said_to_be_left_out():
    frame = scores(a=["++"], b=["--"])
    apart = frame.with_columns(seed=pl.when(arm="b").then(1).otherwise(0))
    found = compare_arms(apart)
    assert found.pairs.is_empty()
    assert any("no seed in common" in note for note in found.notes)


def test_marks_and_single_seeds_are_said():
    marked = THREE.with_columns(
        contaminated=pl.col("instance_id") == "task-0", approximate=pl.col("arm") == "low"
    )
    found = compare_arms(marked)
    told = " ".join(found.notes)
    assert "One seed" in told
    assert "3 attempts at tasks that the arm was trained on" in told
    assert "30 attempts graded by an approximation" in told
    assert "1 contaminated, 30 approximate" in arm_table(found.arms).rows[-1]


def test_steps_and_costs_are_means_of_what_is_known():
    frame = scores(a=["+-"]).with_columns(
        n_steps=pl.Series([4, 8]), cost_usd=pl.Series([None, 0.5])
    )
    row = compare_arms(frame).arms.row(0, named=True)
    assert (row["mean_steps"], row["mean_cost_usd"]) == (6, 0.5)
    assert compare_arms(scores(a=["+-"])).arms["mean_cost_usd"].to_list() == [None]


def test_the_verdict_says_what_is_shown_and_what_stays_open():
    pairs = compare_arms(THREE).pairs
    assert verdict_of(pairs) == "Shown at the 5% level: high beats mid and low; mid beats low."
    close = compare_arms(scores(a=["++--" * 10], b=["+-+-" * 10])).pairs
    told = verdict_of(close)
    assert told.startswith("No difference is shown at the 5% level. Whether a and b differ")
    assert "40 tasks and 1 seed show a difference of" in told
    few = compare_arms(scores(a=["+-"], b=["-+"])).pairs
    assert verdict_of(few).endswith("too few to show any difference.")
    assert verdict_of(compare_arms(THREE, ["mid"]).pairs).startswith("One arm alone")


def test_tables_are_text_in_points_and_percent():
    found = compare_arms(THREE, ["high", "low"])
    assert arm_table(found.arms).heads == ("arm", "seeds", "resolved", "rate %", "95%")
    assert arm_table(found.arms).rows[0][:4] == ("high", "1", "27 of 30", "90.0")
    table = pair_table(found.pairs)
    assert table.rows[0][:2] == ("high − low", "+90.0")
    assert table.rows[0][3] == "<0.001"
    assert table.strong == (True,)
    assert "exact McNemar" in legend_of(found.pairs)
    several = compare_arms(scores(a=["+-/--"], b=["--/--"]))
    assert arm_table(several.arms).rows[0][-1] == "50.0 @2"


def test_arms_without_a_pair_do_not_keep_the_others_from_being_compared():
    """The same tasks and the same seeds, but never a task with the same seed."""
    frame = scores(a=["+?", "?+"], b=["?+", "+?"], c=["+-", "-+"])
    found = compare_arms(frame, ["a", "b", "c"])
    assert found.pairs.select("arm", "against").rows() == [("a", "c"), ("b", "c")]
    told = "a and b have no task with the same seed in common: they are not compared."
    assert told in found.notes


def test_unlike_tasks_do_not_hide_unlike_seeds():
    found = compare_arms(scores(a=["+-", "-+"], b=["+-+"]), ["a"], against="b")
    assert "a has 2 tasks, b 3: the 2 in common are paired." in found.notes[0]
    assert "a has 2 seeds, b 1: the 1 in common are paired." in found.notes[0]


@pytest.mark.parametrize(("seeds", "told"), [(1, "One seed"), (2, "2 seeds"), (5, None)])
def test_few_seeds_are_told_to_say_little_of_how_trainings_differ(seeds, told):
    notes = compare_arms(scores(a=["+-+-"] * seeds, b=["-++-"] * seeds)).notes
    lines = [note for note in notes if "seed" in note]
    assert [line.partition(":")[0] for line in lines] == ([told] if told else [])


def test_pass_at_k_leaves_out_a_task_with_fewer_attempts_and_says_so():
    found = compare_arms(scores(a=["+-++/--+-/++-?"], b=["++++"]))
    columns = ("arm", "k", "pass_at_k", "left_out")
    assert found.arms.filter(arm="a").select(columns).rows() == [("a", 3, 1.0, 1)]
    assert "pass@3 of a leaves out 1 task with fewer scored attempts." in found.notes
