"""Paired differences and rates with their intervals."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.compare.difference import mcnemar, paired_difference
from srft_assets.compare.rates import (
    cells_of,
    mean_pass_at_k,
    p_value_of,
    rate_of,
    resampled_ratio,
    wilson_interval,
)
from srft_assets.errors import SrftError
from tests.compare.frames import scores

DRAWS = 400
MARKS = st.text("+-?", min_size=4, max_size=4).filter(lambda text: set(text) != {"?"})
SEEDS = st.lists(MARKS, min_size=1, max_size=3)


def test_one_attempt_a_task_is_tested_by_mcnemar():
    found = paired_difference(scores(a=["++++--+-"], b=["+----?++"]), "a", "b")
    assert (found.tasks, found.seeds, found.pairs) == (7, 1, 7)
    assert (found.only_arm, found.only_against) == (3, 1)
    assert found.difference == pytest.approx(2 / 7)
    assert (found.test, found.p_value) == ("mcnemar", mcnemar(3, 1))
    assert found.low <= found.difference <= found.high


def test_several_seeds_are_tested_by_the_bootstrap():
    found = paired_difference(scores(a=["+++-", "++--"], b=["+---", "----"]), "a", "b")
    assert (found.test, found.tasks, found.seeds, found.pairs) == ("bootstrap", 4, 2, 8)
    assert found.difference == pytest.approx(0.5)


@settings(max_examples=50)
@given(SEEDS, SEEDS)
def test_the_other_way_round_is_the_mirror_image(one, other):
    frame = scores(a=one, b=other)
    try:
        there = paired_difference(frame, "a", "b", draws=DRAWS)
    except SrftError:
        with pytest.raises(SrftError, match="paired"):
            paired_difference(frame, "b", "a", draws=DRAWS)
        return
    back = paired_difference(frame, "b", "a", draws=DRAWS)
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low)
    )
    assert (back.only_arm, back.only_against) == (there.only_against, there.only_arm)
    assert back.p_value == pytest.approx(there.p_value)
    assert back.detectable == pytest.approx(there.detectable)


@settings(max_examples=50)
@given(SEEDS, SEEDS, st.randoms())
def test_the_order_of_rows_is_nothing(one, other, random):
    frame = scores(a=one, b=other)
    order = list(range(frame.height))
    random.shuffle(order)
    for arm in ("a", "b"):
        there, shuffled = (rate_of(cells_of(f, arm), draws=DRAWS) for f in (frame, frame[order]))
        assert there == shuffled
        assert 0 <= there.low <= there.rate <= there.high <= 1


def test_equal_arms_differ_by_nothing_and_the_interval_says_how_sure_that_is():
    found = paired_difference(scores(a=["+-" * 20], b=["+-" * 20]), "a", "b")
    assert (found.difference, found.p_value) == (0, 1)
    _, room = wilson_interval(0, 40)
    assert (found.low, found.high) == pytest.approx((-room, room))


def test_attempts_at_the_same_task_are_averaged():
    found = paired_difference(scores(a=["++/+-"], b=["--/+-"]), "a", "b")
    assert (found.pairs, found.test) == (2, "bootstrap")
    assert found.difference == pytest.approx(0.5)
    assert mean_pass_at_k(cells_of(scores(a=["+-/--"]), "a"), 2) == 0.5


def test_a_single_attempt_a_task_has_wilsons_interval_several_a_bootstrap():
    single = rate_of(cells_of(scores(a=["++-?"]), "a"))
    assert (single.method, single.scored, single.resolved) == ("wilson", 3, 2)
    assert (single.low, single.high) == wilson_interval(2, 3)
    assert rate_of(cells_of(scores(a=["++--", "+---"]), "a")).method == "bootstrap"


def test_attempts_that_all_end_alike_count_as_one_a_task():
    none = rate_of(cells_of(scores(a=["----", "----", "----"]), "a"))
    assert (none.rate, none.low, none.high) == (0, *wilson_interval(0, 4))
    every = rate_of(cells_of(scores(a=["++/++"]), "a"))
    assert (every.low, every.high) == wilson_interval(2, 2)


def test_arms_without_a_common_task_or_seed_cannot_be_paired():
    frame = scores(a=["++"], b=["--"])
    other = frame.with_columns(
        pl.when(arm="b")
        .then(pl.lit("x") + pl.col("instance_id"))
        .otherwise("instance_id")
        .alias("instance_id")
    )
    with pytest.raises(SrftError, match="no task in common"):
        paired_difference(other, "a", "b")
    later = frame.with_columns(pl.when(arm="b").then(7).otherwise("seed").alias("seed"))
    with pytest.raises(SrftError, match="no seed in common"):
        paired_difference(later, "a", "b")


def test_a_frame_without_a_column_and_an_arm_without_scores_are_told():
    with pytest.raises(SrftError, match="without a column seed"):
        cells_of(scores(a=["+"]).drop("seed"), "a")
    with pytest.raises(SrftError, match="arm b has no scores"):
        cells_of(scores(a=["+"], b=["?"]), "b")


def test_the_p_value_agrees_with_the_interval():
    draws = np.random.default_rng(0).normal(0.02, 0.01, 10_000)
    outside = np.percentile(draws, 2.5) > 0
    assert (p_value_of(draws) < 0.05) == outside
    assert p_value_of(np.ones(999)) == pytest.approx(0.002)
    assert p_value_of(np.zeros(10)) == 1


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.0), (3, 0.2), (5, 0.2)])
def test_the_interval_of_a_difference_covers_it(seeds, spread):
    """Simulated with a fixed seed: tasks of unlike difficulty, seeds of unlike skill."""
    rng, tasks, worlds, held = np.random.default_rng(5), 100, 200, 0
    truth, found, widths = _mean_gap(spread), [], []
    for _ in range(worlds):
        hard = rng.normal(-0.5, 1.5, (tasks, 1))
        skills = [rng.normal(shift, spread, (1, seeds)) for shift in (0.5, 0.0)]
        one, other = (rng.random((tasks, seeds)) < _logistic(hard + skill) for skill in skills)
        gap = one.astype(float) - other
        seen = resampled_ratio(gap, np.ones_like(gap), draws=DRAWS)
        low, high = np.percentile(seen, [2.5, 97.5])
        held += low <= truth <= high
        found.append(gap.mean())
        widths.append(high - low)
    assert held / worlds >= 0.90
    assert np.mean(widths) <= 1.4 * 2 * 1.96 * np.std(found)


def _mean_gap(spread: float) -> float:
    rng = np.random.default_rng(0)
    hard, skill = rng.normal(-0.5, 1.5, 400_000), rng.normal(0, spread, 400_000)
    return float(np.mean(_logistic(hard + skill + 0.5) - _logistic(hard + skill)))


def _logistic(x):
    return 1 / (1 + np.exp(-x))
