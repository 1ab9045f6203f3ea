"""McNemar's test, Holm's correction, pass@k, Wilson's interval and the smallest difference that can
be shown, against published values and their own laws."""

from itertools import combinations
from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.compare.difference import (
    detectable_by_error,
    detectable_pairs,
    fewest_discordant,
    holm,
    mcnemar,
)
from srft_assets.compare.rates import pass_at_k, wilson_interval

Z, Z_POWER = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)
P_VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (1, 1, 1.0), (6, 0, 2 / 2**6), (8, 2, 112 / 2**10), (4, 13, 6428 / 2**17)],
)
def test_mcnemar_is_the_sign_test_of_discordant_pairs(only_a, only_b, p):
    assert mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-12)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_knows_no_side(one, other):
    assert mcnemar(one, other) == mcnemar(other, one)
    assert 0 < mcnemar(one, other) <= 1


@given(st.integers(0, 100), st.integers(0, 100))
def test_mcnemar_falls_as_the_sides_part(one, other):
    low, high = sorted((one, other))
    assert mcnemar(low, high + 1) <= mcnemar(low, high)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="discordant"):
        mcnemar(-1, 3)


def test_six_discordant_pairs_to_one_side_are_the_fewest_at_five_percent():
    assert fewest_discordant(0.05) == 6
    assert mcnemar(5, 0) > 0.05 > mcnemar(6, 0)


def test_holm_as_worked_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2, None, 0.01]) == pytest.approx([0.2, None, 0.02])
    assert holm([]) == []


@settings(max_examples=10)
@given(P_VALUES, st.randoms())
def test_holm_goes_with_its_p_values_whatever_their_order(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    adjusted = holm(values)
    assert holm([values[place] for place in order]) == [adjusted[place] for place in order]


@settings(max_examples=10)
@given(P_VALUES)
def test_holm_lies_between_the_p_value_and_bonferroni(values):
    tests = sum(value is not None for value in values)
    for value, adjusted in zip(values, holm(values), strict=True):
        assert (value is None) == (adjusted is None)
        if value is not None:
            assert value <= adjusted <= min(1.0, value * tests) + 1e-12


def test_holm_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, 1.5])


@given(
    st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
)
def test_pass_at_k_is_the_share_of_choices_with_a_success(case):
    attempts, resolved, k = case
    choices = list(combinations([True] * resolved + [False] * (attempts - resolved), k))
    assert pass_at_k(attempts, resolved, k) == pytest.approx(sum(map(any, choices)) / len(choices))


@pytest.mark.parametrize("case", [(3, 4, 1), (3, 1, 4), (3, 1, 0), (3, -1, 1)])
def test_pass_at_k_beyond_the_attempts_is_refused(case):
    with pytest.raises(ValueError, match="pass@"):
        pass_at_k(*case)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_has_published_values(successes, trials, low, high):
    interval = wilson_interval(successes, trials)
    assert interval == pytest.approx((low, high), abs=5e-5)


def test_no_trials_tell_nothing():
    assert wilson_interval(0, 0) is None


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (1, 0)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(ValueError, match="successes in"):
        wilson_interval(successes, trials)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_rate_lies_within_and_failures_mirror_successes(counts):
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@given(st.integers(30, 5000), st.floats(0.05, 0.9))
def test_it_solves_miettinens_sample_size(pairs, discordant):
    found = detectable_pairs(pairs, discordant)
    if found is None or found**2 >= discordant or found * pairs <= 6.01:
        return
    needed = (Z * sqrt(discordant) + Z_POWER * sqrt(discordant - found**2)) ** 2 / found**2
    assert needed == pytest.approx(pairs, rel=1e-6)


@given(st.integers(10, 2000), st.floats(0, 1))
def test_more_tasks_show_smaller_differences(pairs, discordant):
    few, many = detectable_pairs(pairs, discordant), detectable_pairs(4 * pairs, discordant)
    assert many is not None
    assert few is None or many <= few + 1e-12


def test_it_is_found_four_times_in_five():
    """Power of the exact test at that difference, by simulation with a fixed seed."""
    pairs, discordant = 300, 0.3
    found = detectable_pairs(pairs, discordant)
    assert found is not None
    more, fewer = (discordant + found) / 2, (discordant - found) / 2
    draws = np.random.default_rng(1).multinomial(pairs, [more, fewer, 1 - discordant], size=2000)
    power = np.mean([mcnemar(int(one), int(other)) < 0.05 for one, other, _ in draws])
    assert 0.74 < power < 0.84


def test_no_discordant_pair_leaves_what_the_exact_test_needs():
    assert detectable_pairs(100, 0.0) == pytest.approx(0.06)
    assert detectable_pairs(5, 0.0) is None


def test_by_the_error_of_a_difference():
    assert detectable_by_error(0.01, 1000) == pytest.approx(0.028, abs=1e-4)
    assert detectable_by_error(0.5, 1000) is None


@pytest.mark.parametrize("case", [(0, 0.5), (10, 1.5), (10, -0.1)])
def test_what_cannot_be_is_refused(case):
    with pytest.raises(ValueError, match="discordant rate"):
        detectable_pairs(*case)
