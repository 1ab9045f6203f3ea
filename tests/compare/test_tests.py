"""McNemar's test, Holm's correction and pass@k against published values and their own laws."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.compare import holm, mcnemar, pass_at_k
from srft_assets.compare.difference import fewest_discordant

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
