"""Rows of the training set: labels, refusals, counts."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tokens.row import IGNORED
from srft_assets.training.labels import load_rows
from srft_assets.training.rows import select_rows
from tests.training.conftest import Row, frame_of, make_rows, put


def written(home: Home, rows: list[Row], partition: str = "lab-1") -> Path:
    return put(home, "masked_tokens/srft", partition, frame_of(rows))


def test_labels_are_the_ids_inside_trained_spans_and_ignored_elsewhere(home: Home) -> None:
    path = written(home, [([7, 8, 9, 10, 11, 12], [(1, 3, True), (4, 6, False)])])
    table = load_rows(select_rows([path], 100))
    assert table["input_ids"].to_pylist() == [[7, 8, 9, 10, 11, 12]]
    assert table["labels"].to_pylist() == [[-100, 8, 9, -100, -100, -100]]


def test_a_folder_whose_name_is_a_pattern_holds_its_own_rows(tmp_path: Path) -> None:
    path = written(Home(tmp_path / "trials [1]"), [([7, 8, 9], [(1, 3, True)])])
    assert load_rows(select_rows([path], 100))["labels"].to_pylist() == [[-100, 8, 9]]


def test_a_first_token_has_nothing_to_predict_it_and_is_never_trained(home: Home) -> None:
    path = written(home, [([7, 8, 9], [(0, 2, True)])])
    selection = select_rows([path], 100)
    assert selection.trained_tokens == 1
    assert load_rows(selection)["labels"].to_pylist() == [[-100, 8, -100]]


def test_rows_without_a_trained_token_are_dropped_and_counted(home: Home) -> None:
    masked = ([7, 8, 9, 10], [(1, 3, False)])
    silent = ([7, 8, 9, 10], [])
    path = written(home, [masked, ([7, 8, 9], [(1, 3, True)]), silent])
    selection = select_rows([path], 100)
    assert selection.without_loss == 2
    assert selection.frame["row"].to_list() == [1]
    assert load_rows(selection)["input_ids"].to_pylist() == [[7, 8, 9]]


def test_a_row_over_the_limit_is_refused_by_name_and_the_rest_goes_on(home: Home) -> None:
    rows = make_rows(3)
    long = ([5] * 101, [(1, 50, True)])
    path = written(home, [*rows, long])
    selection = select_rows([path], 100)
    assert selection.frame.height == 3
    (refusal,) = selection.refused
    assert refusal.source == "masked_tokens/srft/lab-1"
    assert (refusal.row, refusal.subject) == (3, "task-3.000000000003")
    assert "101 tokens" in refusal.reason
    assert "max_length is 100" in refusal.reason


def test_partitions_follow_one_another(home: Home) -> None:
    first = written(home, make_rows(2, seed=1), "lab-1")
    other = frame_of(make_rows(3, seed=2)).with_columns(
        trajectory_id=pl.format("other-{}", "trajectory_id")
    )
    second = put(home, "masked_tokens/srft", "lab-2", other)
    table = load_rows(select_rows([first, second], 100))
    expected = [ids for ids, _ in [*make_rows(2, seed=1), *make_rows(3, seed=2)]]
    assert table["input_ids"].to_pylist() == expected


def test_an_empty_partition_gives_an_empty_selection(home: Home) -> None:
    selection = select_rows([written(home, [])], 100)
    assert selection.frame.is_empty()


def test_a_span_outside_its_row_is_an_error_that_names_the_row(home: Home) -> None:
    path = written(home, [([7, 8, 9], [(1, 4, True)])])
    with pytest.raises(SrftError, match=r"row 0, step 0: span 1\.\.4 is outside its 3 tokens"):
        load_rows(select_rows([path], 100))


@given(st.lists(st.lists(st.tuples(st.integers(2, 60), st.booleans()), min_size=1), min_size=1))
def test_counts_agree_with_the_labels(
    tmp_path_factory: pytest.TempPathFactory, marked: list[list[tuple[int, bool]]]
) -> None:
    rows: list[Row] = [
        ([token for token, _ in row], [(n, n + 1, flag) for n, (_, flag) in enumerate(row)])
        for row in marked
    ]
    selection = select_rows([written(Home(tmp_path_factory.mktemp("home")), rows)], 1000)
    labels = [] if selection.frame.is_empty() else load_rows(selection)["labels"].to_pylist()
    counts = [sum(label != IGNORED for label in row) for row in labels]
    assert selection.frame["n_trained"].to_list() == counts
    assert all(counts)
    assert selection.without_loss == len(rows) - len(labels)
