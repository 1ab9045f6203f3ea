"""`critic_scores/<critic>`: verdicts against gold, counted by hand."""

import polars as pl
import pytest

from srft_assets.compare.rates import wilson_interval
from srft_assets.critic.gold.labels import GOLD_LABELS
from srft_assets.critic.scores import CRITIC_SCORES, critic_scores_stage, judge, scores
from srft_assets.critic.spec import Threshold
from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.query import run_query
from tests.critic.gold_support import fingerprint, make
from tests.warehouse.filled import fill, put

RUNS = ("one", "two", "three")


def gold(
    labels: dict[tuple[str, int], str | None], name: str = "s", who: str = "a"
) -> pl.DataFrame:
    rows = [(name, run, step, label, who, "") for (run, step), label in labels.items()]
    return pl.DataFrame(rows, schema=GOLD_LABELS, orient="row")


def verdicts(labels: dict[tuple[str, int], str]) -> pl.DataFrame:
    rows = [(run, step, label) for (run, step), label in labels.items()]
    schema = {"trajectory_id": pl.String, "step_index": pl.Int32, "label": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def row_of(frame: pl.DataFrame, question: str, target: str) -> dict:
    return frame.row(
        by_predicate=(pl.col("question") == question) & (pl.col("target") == target), named=True
    )


def test_every_count_of_a_small_case() -> None:
    people = {
        ("one", 0): "good",
        ("one", 1): "mistake",
        ("one", 2): "mistake",
        ("two", 0): "unnecessary",
        ("two", 1): "mistake",
        ("two", 2): None,
        ("gone", 0): "good",
    }
    critic = {
        ("one", 0): "mistake",
        ("one", 1): "mistake",
        ("one", 2): "unlabeled",
        ("two", 0): "unnecessary",
        ("two", 1): "good",
        ("two", 2): "mistake",
        ("three", 0): "mistake",
    }
    frame = scores(gold(people), verdicts(critic))
    assert frame.schema == CRITIC_SCORES
    mask = row_of(frame, "mask", "mistake")
    assert (mask["steps"], mask["runs"], mask["unlabeled"], mask["missing"]) == (5, 2, 1, 1)
    assert (mask["support"], mask["predicted"], mask["hits"]) == (3, 2, 1)
    assert mask["f1"] == pytest.approx(2 / 5)
    strict = row_of(frame, "mask", "mistake+unnecessary")
    assert (strict["support"], strict["predicted"], strict["hits"]) == (4, 3, 2)
    every = row_of(frame, "all", "all")
    assert (every["support"], every["predicted"], every["hits"]) == (5, 4, 2)
    assert row_of(frame, "label", "recover")["f1"] is None


def test_a_perfect_critic_and_one_that_is_always_wrong() -> None:
    people = {(run, step): ("mistake", "good")[step % 2] for run in RUNS for step in range(4)}
    perfect = row_of(scores(gold(people), verdicts(people)), "mask", "mistake")
    assert [perfect[name] for name in ("f1", "f1_low", "f1_high", "kappa", "kappa_low")] == [1] * 5
    wrong = {key: ("good" if label == "mistake" else "mistake") for key, label in people.items()}
    worst = row_of(scores(gold(people), verdicts(wrong)), "mask", "mistake")
    assert (worst["f1"], worst["kappa"]) == (0, -1)


def test_one_run_gives_no_interval_and_no_gold_gives_no_row() -> None:
    people = {("one", step): "mistake" for step in range(3)}
    row = row_of(scores(gold(people), verdicts(people)), "mask", "mistake")
    assert (row["f1"], row["f1_low"], row["f1_high"]) == (1, None, None)
    assert scores(gold({}), verdicts(people)).is_empty()


def test_a_set_that_the_critic_never_judged_is_all_missing() -> None:
    frame = scores(gold({("one", 0): "mistake"}), verdicts({("two", 0): "good"}))
    row = row_of(frame, "mask", "mistake")
    assert (row["steps"], row["missing"], row["f1"], row["kappa"]) == (0, 1, None, None)


def test_sets_are_scored_apart() -> None:
    people = pl.concat([gold({("one", 0): "good"}, "b"), gold({("one", 0): "mistake"}, "a")])
    frame = scores(people, verdicts({("one", 0): "mistake"}))
    hits = frame.filter(question="mask", target="mistake").select("set", "support", "hits").rows()
    assert hits == [("a", 1, 1), ("b", 0, 0)]


def test_the_stage_is_stale_when_gold_or_verdicts_change_and_comes_out_the_same(home: Home) -> None:
    warehouse = fill(home)
    stage = critic_scores_stage("rules")
    first, stamp = make(home, stage)
    again, other = make(home, stage)
    assert first.frame.equals(again.frame) and stamp.data_version == other.data_version
    before = fingerprint(home, stage)
    put(warehouse, "gold_labels", "all", warehouse.read("gold_labels").head(3))
    changed = fingerprint(home, stage)
    verdicts = warehouse.read("step_verdicts/rules", "real")
    put(warehouse, "step_verdicts/rules", "real", verdicts.with_columns(label=pl.lit("good")))
    assert len({before, changed, fingerprint(home, stage)}) == 3


def test_a_run_that_two_batches_hold_is_scored_once(home: Home) -> None:
    warehouse = fill(home)
    first, _ = make(home, critic_scores_stage("rules"))
    verdicts = warehouse.read("step_verdicts/rules", "real")
    put(warehouse, "step_verdicts/rules", "really", verdicts.with_columns(label=pl.lit("good")))
    again, _ = make(home, critic_scores_stage("rules"))
    assert again.frame.equals(first.frame)


def test_the_view_states_precision_and_recall_with_wilson_intervals(home: Home) -> None:
    fill(home)
    build_catalogue(home, SCHEMAS)
    sql = "SELECT hits, predicted, support, columns('^(precision|recall)') FROM critic_scores"
    rows = run_query(home, f"{sql} WHERE predicted > 0 AND support > 0").rows()
    assert rows
    for hits, predicted, support, *found in rows:
        expected = [hits / predicted, *(wilson_interval(hits, predicted) or ())]
        expected += [hits / support, *(wilson_interval(hits, support) or ())]
        assert found == pytest.approx(expected)


def judged(
    f1_low: float | None, steps: int = 60, support: int = 20, name: str = "s"
) -> pl.DataFrame:
    row = dict.fromkeys(CRITIC_SCORES, None) | {
        "set": name,
        "question": "mask",
        "target": "mistake",
        "steps": steps,
        "support": support,
        "f1_low": f1_low,
    }
    return pl.DataFrame([row], schema=CRITIC_SCORES)


@pytest.mark.parametrize(
    ("frame", "passed", "told"),
    [
        (judged(0.51), True, "s 0.510"),
        (judged(0.49), False, "s 0.490; at least 0.5"),
        (judged(None), False, "s 0.000"),
        (judged(0.1, steps=49), True, "nothing is known"),
        (judged(0.0, support=0), True, "nothing is known"),
        (judged(0.1).clear(), True, "nothing is known"),
        (pl.concat([judged(0.9, name="a"), judged(0.1, name="b")]), False, "a 0.900, b 0.100"),
    ],
)
def test_the_threshold(frame: pl.DataFrame, passed: bool, told: str) -> None:
    found = judge(frame, Threshold())
    assert found.passed is passed
    assert told in found.note


def test_a_threshold_may_name_its_sets_and_measure() -> None:
    frame = pl.concat([judged(0.9, name="people-1"), judged(0.1, name="lab")])
    assert judge(frame, Threshold(sets=("people-*",))).passed
    assert not judge(frame, Threshold(measure="kappa")).passed
