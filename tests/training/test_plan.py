"""The plan: which rows meet in which step and forward pass."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.training.plan import Plan, make_plan

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=30)
LAYOUTS = st.sampled_from(["packed", "padded"])


def steps_of(plan: Plan) -> list[list[int]]:
    starts = range(0, len(plan.groups), plan.per_step)
    steps = [plan.groups[start : start + plan.per_step] for start in starts]
    return [[row for group in step for row in group] for step in steps]


@given(LENGTHS, st.integers(1, 6), st.integers(1, 10), st.integers(1, 200), LAYOUTS)
def test_every_step_holds_the_whole_batch(lengths, steps, batch_size, budget, layout) -> None:
    plan = make_plan(
        lengths,
        steps=steps,
        batch_size=batch_size,
        micro_batch_tokens=budget,
        seed=0,
        layout=layout,
    )
    assert [len(step) for step in steps_of(plan)] == [batch_size] * steps
    assert all(plan.groups)


@given(LENGTHS, st.integers(1, 10), st.integers(1, 200))
def test_no_forward_pass_exceeds_the_budget_but_by_a_single_row(lengths, batch, budget) -> None:
    plan = make_plan(lengths, steps=3, batch_size=batch, micro_batch_tokens=budget, seed=0)
    for group in plan.groups:
        assert len(group) == 1 or sum(lengths[row] for row in group) <= budget


@given(LENGTHS, st.integers(1, 10))
def test_a_row_returns_only_after_all_others_were_seen(lengths, batch_size) -> None:
    plan = make_plan(lengths, steps=7, batch_size=batch_size, micro_batch_tokens=99, seed=3)
    seen = Counter(row for group in plan.groups for row in group)
    counts = [seen[row] for row in range(len(lengths))]
    assert max(counts) - min(counts) <= 1


def test_the_budget_groups_rows_but_does_not_change_the_steps() -> None:
    lengths = [10, 40, 20, 30, 25, 15, 35, 5]
    wide = make_plan(lengths, steps=5, batch_size=4, micro_batch_tokens=1000, seed=1)
    narrow = make_plan(lengths, steps=5, batch_size=4, micro_batch_tokens=50, seed=1)
    assert [sorted(step) for step in steps_of(wide)] == [sorted(step) for step in steps_of(narrow)]
    assert wide.per_step == 1
    assert narrow.per_step > 1


def test_another_seed_gives_another_order() -> None:
    plans = [
        make_plan([5] * 40, steps=5, batch_size=8, micro_batch_tokens=99, seed=seed).groups
        for seed in (0, 0, 1)
    ]
    assert plans[0] == plans[1] != plans[2]


@pytest.mark.parametrize(("layout", "share"), [("packed", 0.0), ("padded", 1 - 40 / 60)])
def test_padding_is_counted(layout, share) -> None:
    plan = make_plan([10, 30], steps=1, batch_size=2, micro_batch_tokens=100, seed=0, layout=layout)
    assert plan.padding_share == pytest.approx(share)
