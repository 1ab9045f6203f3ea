"""Which rows are trained on, with which labels, and in which order."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tokens.arm import Mixing, TrainingSpec
from srft_assets.tokens.token_labels import IGNORED
from srft_assets.training.job import draw, groups_of, order_of, shuffled
from srft_assets.warehouse.partitions import InputChangedError
from tests.training.conftest import Row, frame_of, labelled, make_rows, put, select

GROUPS = st.lists(st.sampled_from("abc"), min_size=1, max_size=20)
SHARES = st.dictionaries(st.sampled_from("abc"), st.floats(0.01, 10), min_size=3)


def lab(rows: list[Row], batch: str = "lab-1") -> tuple[str, pl.DataFrame]:
    return batch, frame_of(rows)


def batch_of(name: str, rows: int = 2, **columns: list[str]) -> tuple[str, pl.DataFrame]:
    frame = frame_of(make_rows(rows, seed=len(name)))
    return name, frame.with_columns(**{key: pl.Series(cells) for key, cells in columns.items()})


def test_labels_are_the_ids_inside_trained_spans_and_ignored_elsewhere(home: Home) -> None:
    table = labelled(home, lab([([7, 8, 9, 10, 11, 12], [(1, 3, True), (4, 6, False)])]))
    assert table["input_ids"].to_pylist() == [[7, 8, 9, 10, 11, 12]]
    assert table["labels"].to_pylist() == [[-100, 8, 9, -100, -100, -100]]


def test_a_folder_whose_name_is_a_pattern_holds_its_own_rows(tmp_path: Path) -> None:
    table = labelled(Home(tmp_path / "trials [1]"), lab([([7, 8, 9], [(1, 3, True)])]))
    assert table["labels"].to_pylist() == [[-100, 8, 9]]


def test_a_first_token_has_nothing_to_predict_it_and_is_never_trained(home: Home) -> None:
    batch = lab([([7, 8, 9], [(0, 2, True)])])
    assert select(batch).rows["n_trained"].to_list() == [1]
    assert labelled(home, batch)["labels"].to_pylist() == [[-100, 8, -100]]


def test_rows_without_a_trained_token_are_dropped_and_counted(home: Home) -> None:
    masked = ([7, 8, 9, 10], [(1, 3, False)])
    silent = ([7, 8, 9, 10], [])
    batch = lab([masked, ([7, 8, 9], [(1, 3, True)]), silent])
    selection = select(batch)
    assert selection.without_loss == 2
    assert selection.rows["row"].to_list() == [1]
    assert labelled(home, batch)["input_ids"].to_pylist() == [[7, 8, 9]]


def test_a_row_over_the_limit_is_refused_by_name_and_the_rest_goes_on() -> None:
    long = ([5] * 101, [(1, 50, True)])
    selection = select(lab([*make_rows(3), long]))
    assert selection.rows.height == 3
    (refusal,) = selection.refused
    assert refusal.source == "masked_tokens/srft/lab-1"
    assert (refusal.row, refusal.subject) == (3, "task-3.000000000003")
    assert "101 tokens" in refusal.reason
    assert "max_length is 100" in refusal.reason


def test_partitions_follow_one_another(home: Home) -> None:
    other = frame_of(make_rows(3, seed=2)).with_columns(
        trajectory_id=pl.format("other-{}", "trajectory_id")
    )
    table = labelled(home, lab(make_rows(2, seed=1)), ("lab-2", other))
    expected = [ids for ids, _ in [*make_rows(2, seed=1), *make_rows(3, seed=2)]]
    assert table["input_ids"].to_pylist() == expected


def test_an_empty_partition_gives_an_empty_selection() -> None:
    assert select(lab([])).rows.is_empty()


def test_a_span_outside_its_row_is_an_error_that_names_the_row(home: Home) -> None:
    said = r"masked_tokens/srft/lab-1, row 0: .*span 1\.\.4 is outside its 3 tokens"
    with pytest.raises(SrftError, match=said):
        labelled(home, lab([([7, 8, 9], [(1, 4, True)])]))


def test_rows_of_a_partition_that_was_made_anew_are_not_trained_on(job, home: Home) -> None:
    from srft_assets.training.data import load_rows

    stated = job(make_rows(3))
    put(home, "masked_tokens/out", "lab-1", frame_of(make_rows(3, seed=1)))
    with pytest.raises(InputChangedError, match="masked_tokens/out/lab-1 was made anew"):
        load_rows(stated)


@given(st.lists(st.lists(st.tuples(st.integers(2, 60), st.booleans()), min_size=1), min_size=1))
def test_counts_agree_with_the_labels(
    tmp_path_factory: pytest.TempPathFactory, marked: list[list[tuple[int, bool]]]
) -> None:
    rows: list[Row] = [
        ([token for token, _ in row], [(n, n + 1, flag) for n, (_, flag) in enumerate(row)])
        for row in marked
    ]
    batch = lab(rows)
    selection = select(batch)
    home = Home(tmp_path_factory.mktemp("home"))
    labels = [] if selection.rows.is_empty() else labelled(home, batch)["labels"].to_pylist()
    counts = [sum(label != IGNORED for label in row) for row in labels]
    assert selection.rows["n_trained"].to_list() == counts
    assert all(counts)
    assert selection.without_loss == len(rows) - len(labels)


@given(st.integers(1, 30), st.integers(1, 100))
def test_a_row_returns_only_after_all_others_were_seen(rows: int, wanted: int) -> None:
    seen = Counter(shuffled(range(rows), wanted, seed=3))
    counts = [seen[row] for row in range(rows)]
    assert sum(counts) == wanted
    assert max(counts) - min(counts) <= 1


def test_another_seed_gives_another_order() -> None:
    rows, training = select(batch_of("lab", 40)).rows, TrainingSpec(max_steps=5, batch_size=8)
    orders = [order_of(rows, training, seed) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(("epochs", "steps"), [(1, 2), (2, 3), (2.4, 3), (0.1, 1)])
def test_epochs_are_passes_over_all_rows_the_last_step_filled_up(epochs: float, steps: int) -> None:
    rows = select(batch_of("lab", 10)).rows
    order = order_of(rows, TrainingSpec(epochs=epochs, batch_size=8), 0)
    assert len(order) == 8 * steps
    assert sorted(order[:10]) == list(range(10)) or steps == 1
    assert order == order_of(rows, TrainingSpec(max_steps=steps, batch_size=8), 0)


def test_an_epoch_of_a_mixture_draws_as_often_as_its_groups_have_rows() -> None:
    statuses = ["resolved"] * 6 + ["timeout"] * 2 + ["unknown"] * 5
    rows = select(batch_of("b", 13, status=statuses)).rows
    mixing = {"shares": {"resolved": 1, "unresolved": 1, "ungraded": 0}}
    order = order_of(rows, TrainingSpec(epochs=3, batch_size=4, mixing=mixing), 0)
    assert Counter(row < 6 for row in order) == {True: 12, False: 12}
    assert max(order) < 8


def test_epochs_and_steps_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="max_steps and epochs exclude each other"):
        TrainingSpec(epochs=1, max_steps=120)


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


def test_outcomes_are_groups() -> None:
    statuses = ["resolved", "timeout", "infra_error"]
    rows = select(batch_of("b", 3, status=statuses)).rows
    shares = {"resolved": 1.0, "unresolved": 2.0, "ungraded": 0.0}
    assert groups_of(rows, Mixing(shares=shares)) == ["resolved", "unresolved", "ungraded"]


def test_batches_are_groups_by_pattern() -> None:
    names = ("lab-1", "mini", "lab-2")
    rows = select(*(batch_of(n, 1, trajectory_id=[n]) for n in names)).rows
    mixing = Mixing(by="batch", shares={"lab-*": 1, "*": 1})
    assert groups_of(rows, mixing) == ["lab-*", "*", "lab-*"]


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"resolved": 1.0}, "no share for 'unresolved', of which there are 1 rows"),
        ({"resolved": 1.0, "unresolved": 1.0, "ungraded": 1.0}, "no row of 'ungraded' to draw"),
    ],
)
def test_a_row_without_group_and_a_group_without_row_are_told(shares, said) -> None:
    rows = select(batch_of("b", status=["resolved", "timeout"])).rows
    with pytest.raises(SrftError, match=said):
        groups_of(rows, Mixing(shares=shares))


def test_the_cap_holds_over_all_batches_and_counts_runs_not_rows() -> None:
    ids = ["a.1", "a.1", "a.2", "a.3"]
    first = batch_of("one", 4, trajectory_id=ids, instance_id=["a"] * 4)
    second = batch_of("two", 2, trajectory_id=["a.4", "b.1"], instance_id=["a", "b"])
    kept = {seed: select(first, second, per_instance=2, seed=seed).rows for seed in range(8)}
    for frame in kept.values():
        runs = set(frame["trajectory_id"])
        assert "b.1" in runs
        assert len(runs) == 3
        assert ("a.1" in runs) == (frame["trajectory_id"].to_list().count("a.1") == 2)
    assert len({tuple(frame["trajectory_id"]) for frame in kept.values()}) > 1


def test_a_run_that_is_in_two_batches_is_trained_once() -> None:
    rows = make_rows(3)
    renamed = frame_of(rows).with_columns(trajectory_id=pl.format("other.{}", "trajectory_id"))
    batches = ("one", frame_of(rows[:2])), ("two", renamed)
    selection = select(*batches, dedup=True)
    assert selection.rows.select("batch", "row").rows() == [("one", 0), ("one", 1), ("two", 2)]
    assert selection.left_out == 2
    assert select(*batches).left_out == 0
