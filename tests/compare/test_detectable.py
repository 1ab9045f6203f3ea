"""The smallest difference that can be shown."""

from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.compare import detectable_by_error, detectable_pairs, mcnemar

Z, Z_POWER = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)


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
    assert detectable_by_error(0.01) == pytest.approx(0.028, abs=1e-4)
    assert detectable_by_error(0.5) is None


@pytest.mark.parametrize("case", [(0, 0.5), (10, 1.5), (10, -0.1)])
def test_what_cannot_be_is_refused(case):
    with pytest.raises(ValueError, match="discordant rate"):
        detectable_pairs(*case)
