"""Agreement, against values from the literature and against plain counting."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.agreement import (
    against_rest,
    annotator_confusions,
    confusion_by_run,
    f1,
    interval,
    kappa,
    macro_f1,
    resampled,
)
from srft_assets.critic.gold.labels import majority
from srft_assets.critic.spec import LABELS

NAMES = [str(label) for label in LABELS]
PAIRS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from([*NAMES, "unlabeled"])), max_size=40
)


def confusion(pairs: list[tuple[str, str]]) -> np.ndarray:
    counts = np.zeros((4, 5), np.int64)
    for gold, label in pairs:
        counts[NAMES.index(gold), [*NAMES, "unlabeled"].index(label)] += 1
    return counts


def naive_f1(pairs: list[tuple[str, str]], targets: list[str]) -> float:
    hits = sum(gold in targets and label in targets for gold, label in pairs)
    found = sum(label in targets for _, label in pairs)
    there = sum(gold in targets for gold, _ in pairs)
    if found + there == 0:
        return float("nan")
    precision = hits / found if found else 0.0
    recall = hits / there if there else 0.0
    return 2 * precision * recall / (precision + recall) if hits else 0.0


def naive_kappa(gold: list[str], label: list[str]) -> float:
    if not gold:
        return float("nan")
    agreed = sum(map(str.__eq__, gold, label)) / len(gold)
    chance = sum(gold.count(name) * label.count(name) for name in set(gold)) / len(gold) ** 2
    return float("nan") if chance == 1 else (agreed - chance) / (1 - chance)


@given(PAIRS, st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
def test_f1_is_the_harmonic_mean_of_precision_and_recall(
    pairs: list[tuple[str, str]], targets: list[str]
) -> None:
    found = float(f1(against_rest(confusion(pairs), targets)))
    assert found == pytest.approx(naive_f1(pairs, targets), nan_ok=True)


@given(PAIRS)
def test_macro_f1_is_the_mean_over_the_labels_in_use(pairs: list[tuple[str, str]]) -> None:
    each = [naive_f1(pairs, [name]) for name in NAMES]
    used = [one for one in each if one == one]
    expected = sum(used) / len(used) if used else float("nan")
    assert float(macro_f1(confusion(pairs))) == pytest.approx(expected, nan_ok=True)


@given(PAIRS)
def test_kappa_is_cohens(pairs: list[tuple[str, str]]) -> None:
    expected = naive_kappa([gold for gold, _ in pairs], [label for _, label in pairs])
    assert float(kappa(confusion(pairs))) == pytest.approx(expected, nan_ok=True)


@given(PAIRS, st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
def test_kappa_of_a_target_is_cohens_of_two_categories(
    pairs: list[tuple[str, str]], targets: list[str]
) -> None:
    gold = [str(one in targets) for one, _ in pairs]
    label = [one if one == "unlabeled" else str(one in targets) for _, one in pairs]
    found = float(kappa(against_rest(confusion(pairs), targets)))
    assert found == pytest.approx(naive_kappa(gold, label), nan_ok=True)


def test_kappa_of_textbook_tables() -> None:
    assert float(kappa(np.array([[20, 5], [10, 15]]))) == pytest.approx(0.4)
    # Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, table 18.1.
    diagnosis = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert float(kappa(diagnosis)) == pytest.approx(0.676, abs=5e-4)


def test_an_unlabeled_step_is_a_miss_whatever_it_is() -> None:
    perfect = [("mistake", "mistake"), ("good", "good")] * 4
    for gold in ("mistake", "good"):
        worse = confusion([*perfect, (gold, "unlabeled")])
        assert float(kappa(against_rest(worse, ["mistake"]))) < 1
    assert float(f1(against_rest(confusion([("mistake", "unlabeled")]), ["mistake"]))) == 0


@given(st.lists(PAIRS, min_size=1, max_size=6))
def test_confusions_are_counted_by_run(runs: list[list[tuple[str, str]]]) -> None:
    rows = [(f"r{place}", *pair) for place, pairs in enumerate(runs) for pair in pairs]
    frame = pl.DataFrame(
        rows,
        schema={"trajectory_id": pl.String, "gold": pl.String, "label": pl.String},
        orient="row",
    )
    expected = [confusion(pairs) for pairs in runs if pairs]
    found = confusion_by_run(frame)
    assert found.shape == (len(expected), 4, 5)
    assert all((one == other).all() for one, other in zip(found, expected, strict=True))


def test_the_bootstrap_draws_whole_runs() -> None:
    by_run = np.zeros((3, 4, 5), np.int64)
    by_run[0, 0, 0], by_run[1, 1, 1], by_run[2, 2, 2] = 1, 100, 10_000
    drawn = resampled(by_run, 250, seed=1)
    assert drawn.shape == (250, 4, 5)
    times = np.stack([drawn[:, 0, 0], drawn[:, 1, 1] // 100, drawn[:, 2, 2] // 10_000])
    assert (times.sum(axis=0) == 3).all()
    assert (resampled(by_run, 250, seed=1) == drawn).all()
    assert (resampled(by_run, 250, seed=2) != drawn).any()


def test_the_interval_covers_the_true_figure_as_often_as_it_says() -> None:
    """Runs in which steps are alike: an interval over steps would cover in 6 of 10 cases."""
    generator = np.random.default_rng(7)
    truth, covered = 0.6, 0
    for case in range(200):
        right = generator.beta(1.2, 0.8, size=60)
        hits = generator.binomial(20, right)
        by_run = np.zeros((60, 4, 5), np.int64)
        by_run[:, 0, 0], by_run[:, 0, 1] = hits, 20 - hits
        drawn = resampled(by_run, 400, seed=case)
        low, high = interval(drawn[:, 0, 0] / drawn.sum(axis=(1, 2)))
        covered += low is not None and high is not None and low <= truth <= high
    assert 180 <= covered <= 199


def test_no_interval_where_the_figure_is_mostly_undefined() -> None:
    assert interval(np.array([np.nan, np.nan, 1.0])) == (None, None)
    assert interval(np.array([])) == (None, None)
    assert interval(np.array([0.5, 0.5, np.nan])) == (0.5, 0.5)


def votes(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema=["trajectory_id", "step_index", "annotator", "label"], orient="row"
    )


def test_the_majority_decides_and_a_tie_says_nothing() -> None:
    frame = votes(
        *[
            ("r", 0, who, given)
            for who, given in zip("abc", ["good", "mistake", "good"], strict=True)
        ],
        *[("r", 1, who, given) for who, given in zip("ab", ["good", "mistake"], strict=True)],
        ("r", 2, "a", "recover"),
        *[
            ("s", 0, who, given)
            for who, given in zip("abcd", ["good", "good", "mistake", "mistake"], strict=True)
        ],
    )
    clear, ties = majority(frame)
    assert sorted(clear.rows()) == [("r", 0, "good"), ("r", 2, "recover")]
    assert ties == 2


def test_annotators_are_compared_on_the_steps_they_share() -> None:
    frame = votes(
        *[("r", step, "a", given) for step, given in enumerate(["good", "good", "mistake"])],
        *[("r", step, "b", given) for step, given in enumerate(["good", "mistake", "mistake"])],
        ("r", 0, "c", "recover"),
    )
    pairs = annotator_confusions(frame)
    assert sorted(pairs.sum(axis=(1, 2)).tolist()) == [1, 1, 3]
    (most,) = [pair for pair in pairs if pair.sum() == 3]
    assert float(kappa(most)) == pytest.approx(
        naive_kappa(["good", "good", "mistake"], ["good", "mistake", "mistake"])
    )
