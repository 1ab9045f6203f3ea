"""The plan: which rows meet in which step and forward pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.training.data import Plan, make_plan
from srft_assets.training.job import shuffled

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=30)
LAYOUTS = st.sampled_from(["packed", "padded"])


def planned(lengths: list[int], steps: int, batch: int, budget: int, **more: object) -> Plan:
    order = shuffled(range(len(lengths)), steps * batch, seed=0)
    return make_plan(order, lengths, batch_size=batch, micro_batch_tokens=budget, **more)


def steps_of(plan: Plan) -> list[list[int]]:
    starts = range(0, len(plan.groups), plan.per_step)
    steps = [plan.groups[start : start + plan.per_step] for start in starts]
    return [[row for group in step for row in group] for step in steps]


@given(LENGTHS, st.integers(1, 6), st.integers(1, 10), st.integers(1, 200), LAYOUTS)
def test_every_step_holds_the_whole_batch(lengths, steps, batch_size, budget, layout) -> None:
    plan = planned(lengths, steps, batch_size, budget, layout=layout)
    assert [len(step) for step in steps_of(plan)] == [batch_size] * steps
    assert all(plan.groups)


@given(LENGTHS, st.integers(1, 10), st.integers(1, 200))
def test_no_forward_pass_exceeds_the_budget_but_by_a_single_row(lengths, batch, budget) -> None:
    plan = planned(lengths, 3, batch, budget)
    for group in plan.groups:
        assert len(group) == 1 or sum(lengths[row] for row in group) <= budget


def test_the_budget_groups_rows_but_does_not_change_the_steps() -> None:
    lengths = [10, 40, 20, 30, 25, 15, 35, 5]
    wide, narrow = planned(lengths, 5, 4, 1000), planned(lengths, 5, 4, 50)
    assert [sorted(step) for step in steps_of(wide)] == [sorted(step) for step in steps_of(narrow)]
    assert wide.per_step == 1
    assert narrow.per_step > 1


@pytest.mark.parametrize(("layout", "share"), [("packed", 0.0), ("padded", 1 - 40 / 60)])
def test_padding_is_counted(layout, share) -> None:
    plan = planned([10, 30], 1, 2, 100, layout=layout)
    assert plan.padding_share == pytest.approx(share)


@given(LENGTHS, st.integers(1, 6), st.integers(1, 10), LAYOUTS)
def test_tokens_are_counted_by_step(lengths, steps, batch_size, layout) -> None:
    plan = planned(lengths, steps, batch_size, 50, layout=layout)
    counted = [sum(lengths[row] for row in step) for step in steps_of(plan)]
    assert plan.step_tokens == counted
