"""Which rows are drawn, and how often: shares of groups, caps, runs that occur twice."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tokens.arm import Mixing
from srft_assets.training.job import Choice
from srft_assets.training.mixing import draw, groups_of
from srft_assets.training.rows import select_rows
from tests.training.conftest import frame_of, make_rows, put

GROUPS = st.lists(st.sampled_from("abc"), min_size=1, max_size=20)
SHARES = st.dictionaries(st.sampled_from("abc"), st.floats(0.01, 10), min_size=3)


def batch_of(home: Home, name: str, rows: int = 2, **columns: list[str]) -> Path:
    frame = frame_of(make_rows(rows, seed=len(name)))
    return put(
        home,
        "masked_tokens/x",
        name,
        frame.with_columns(**{key: pl.Series(cells) for key, cells in columns.items()}),
    )


@given(GROUPS, SHARES, st.integers(1, 60), st.integers(0, 3))
def test_groups_are_drawn_by_their_shares(groups, shares, wanted, seed) -> None:
    shares = {group: share if group in groups else 0.0 for group, share in shares.items()}
    rows = draw(groups, shares, wanted, seed)
    assert len(rows) == wanted
    drawn = Counter(groups[row] for row in rows)
    for group, share in shares.items():
        expected = wanted * share / sum(shares.values())
        assert abs(drawn[group] - expected) < len(shares)


@given(GROUPS, st.integers(1, 60))
def test_a_row_returns_only_after_all_others_of_its_group(groups, wanted) -> None:
    seen = Counter(draw(groups, dict.fromkeys(groups, 1.0), wanted, seed=1))
    for group in set(groups):
        counts = [seen[row] for row, of in enumerate(groups) if of == group]
        assert max(counts) - min(counts) <= 1


def test_every_step_has_nearly_the_right_mixture() -> None:
    groups = ["few"] * 3 + ["many"] * 97
    rows = draw(groups, {"few": 1, "many": 3}, 80, seed=0)
    for start in range(0, 80, 8):
        assert sum(groups[row] == "few" for row in rows[start : start + 8]) == 2


def test_outcomes_are_groups(home: Home) -> None:
    statuses = ["resolved", "timeout", "infra_error"]
    selection = select_rows([batch_of(home, "b", 3, status=statuses)], 100)
    shares = {"resolved": 1.0, "unresolved": 2.0, "ungraded": 0.0}
    assert groups_of(selection, Mixing(shares=shares)) == ["resolved", "unresolved", "ungraded"]


def test_batches_are_groups_by_pattern(home: Home) -> None:
    names = ("lab-1", "mini", "lab-2")
    selection = select_rows([batch_of(home, n, 1, trajectory_id=[n]) for n in names], 100)
    mixing = Mixing(by="batch", shares={"lab-*": 1, "*": 1})
    assert groups_of(selection, mixing) == ["lab-*", "*", "lab-*"]


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"resolved": 1.0}, "no share for 'unresolved', of which there are 1 rows"),
        ({"resolved": 1.0, "unresolved": 1.0, "ungraded": 1.0}, "no row of 'ungraded' to draw"),
    ],
)
def test_a_row_without_group_and_a_group_without_row_are_told(home: Home, shares, said) -> None:
    selection = select_rows([batch_of(home, "b", status=["resolved", "timeout"])], 100)
    with pytest.raises(SrftError, match=said):
        groups_of(selection, Mixing(shares=shares))


def test_the_cap_holds_over_all_batches_and_counts_runs_not_rows(home: Home) -> None:
    ids = ["a.1", "a.1", "a.2", "a.3"]
    first = batch_of(home, "one", 4, trajectory_id=ids, instance_id=["a"] * 4)
    second = batch_of(home, "two", 2, trajectory_id=["a.4", "b.1"], instance_id=["a", "b"])
    kept = {
        seed: select_rows([first, second], 100, Choice(per_instance=2, seed=seed)).frame
        for seed in range(8)
    }
    for frame in kept.values():
        runs = set(frame["trajectory_id"])
        assert "b.1" in runs
        assert len(runs) == 3
        assert ("a.1" in runs) == (frame["trajectory_id"].to_list().count("a.1") == 2)
    assert len({tuple(frame["trajectory_id"]) for frame in kept.values()}) > 1


def test_a_run_that_is_in_two_batches_is_trained_once(home: Home) -> None:
    rows = make_rows(3)
    first = put(home, "masked_tokens/x", "one", frame_of(rows[:2]))
    renamed = frame_of(rows).with_columns(
        pl.format("other.{}", "trajectory_id").alias("trajectory_id")
    )
    second = put(home, "masked_tokens/x", "two", renamed)
    selection = select_rows([first, second], 100, Choice(dedup=True))
    assert selection.frame.select("file", "row").rows() == [(0, 0), (0, 1), (1, 2)]
    assert selection.left_out == 2
    assert select_rows([first, second], 100).left_out == 0
