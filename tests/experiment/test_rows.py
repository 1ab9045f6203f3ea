"""Rows of a cell: the platform's own, with labels moved or runs left out where a cell says so."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.verdict import Label
from srft_assets.experiment.data import BATCH, arm_spec
from srft_assets.experiment.design import ARMS, ORACLE, Rows
from srft_assets.experiment.rows import facts_of, masked_rows, mistake_f1, moved, with_share
from srft_assets.tokens.schema import MASKED_TOKENS
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.warehouse.making import work_alone


@pytest.mark.parametrize("arm", ARMS.values())
def test_rows_are_those_of_the_asset(arm, data):
    stage = masked_tokens_stage(arm_spec(arm))
    made = stage.make(work_alone(stage, data.home, BATCH)).frame
    rows = [row.as_row() for row in masked_rows(Rows(arm=arm), data)]
    assert pl.DataFrame(rows, schema=MASKED_TOKENS).equals(made)


labelled = st.dictionaries(
    st.sampled_from("abcdef"),
    st.lists(st.sampled_from(list(Label)[:4]), min_size=1, max_size=9).map(
        lambda labels: dict(enumerate(labels))
    ),
    min_size=1,
)


@given(labelled, st.floats(0, 1), st.integers(0, 9))
def test_moved_labels_have_the_f1_that_was_asked_for(labels, share, seed):
    runs = sorted(labels)
    before = sum(label == Label.MISTAKE for run in labels.values() for label in run.values())
    others = sum(map(len, labels.values())) - before
    changed = moved(labels, runs, share, seed)
    after = sum(label == Label.MISTAKE for run in changed.values() for label in run.values())
    assert after == before
    if before:
        count = min(round(share * before), others)
        assert mistake_f1(changed, labels, runs) == pytest.approx(1 - count / before)


def test_labels_of_other_runs_stay():
    labels = {"a": {0: Label.MISTAKE, 1: Label.GOOD}, "b": {0: Label.MISTAKE}}
    assert moved(labels, ["a"], 1.0, 0) == {
        "a": {0: Label.GOOD, 1: Label.MISTAKE},
        "b": {0: Label.MISTAKE},
    }


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_every_share_of_failed_runs_has_as_many_runs(share, data):
    kept = with_share(data, share, 0)
    failed = [name for name in kept if name in set(data.failed)]
    resolved = data.runs.height - len(data.failed)
    assert len(set(kept)) == len(kept) == min(resolved, len(data.failed))
    assert abs(len(failed) - share * len(kept)) <= 0.5
    assert kept == with_share(data, share, 0)


def test_rows_without_loss_do_not_count_for_the_tokens_of_a_run(data):
    frame = pl.DataFrame(
        [row.as_row() for row in masked_rows(Rows(arm="sft"), data)], MASKED_TOKENS
    )
    silent = frame.head(1).with_columns(pl.lit(0, pl.Int32).alias("n_trained"))
    facts, more = facts_of(frame), facts_of(pl.concat([frame, silent]))
    assert (more.runs, more.used) == (facts.runs + 1, facts.used)
    assert more.trained_a_run == facts.trained_a_run


def test_facts_count_each_token_once(data):
    rows = masked_rows(Rows(arm=ORACLE), data)
    facts = facts_of(pl.DataFrame([row.as_row() for row in rows], schema=MASKED_TOKENS))
    assert facts.trained == sum((row.labels() != -100).sum() for row in rows)
    assert facts.masked == sum(row.n_masked for row in rows)
    assert facts.runs == data.runs.height
    assert facts.resolved == facts.runs - len(data.failed)
