"""At night, what is out of sync among verdicts and masks is made again, and nothing else."""

import shutil

import dagster as dg
import sqlalchemy as sa

from srft_assets.components.launch import Applier
from srft_assets.database import ANSWERS, database_of
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.store import ONLY, Warehouse
from tests.defs.night import (
    BATCHES,
    MASKS,
    asked,
    labelled,
    loaded,
    night,
    once_labelled,
    run,
    runs,
    server,
    tokenizer_with,
    with_base_model,
    with_critic,
)
from tests.defs.stale import ASKED, VERDICTS, make_other, make_stale, stamp
from tests.platform.silent import Silent
from tests.trajectories.ingest_support import write_lines

__all__ = [
    "labelled",
    "loaded",
    "night",
    "once_labelled",
    "run",
    "server",
    "tokenizer_with",
    "with_base_model",
    "with_critic",
]

PROMPT = "critic_prompt/default"


def test_where_all_is_in_sync_nothing_is_asked_for(labelled, night):
    told = night()
    assert isinstance(told, dg.SkipReason)
    assert "in sync" in str(told.skip_message)


def test_exactly_the_stale_batches_are_asked_for_and_made(labelled, night, run):
    make_stale(labelled, "masked_tokens/srft", "a")
    make_stale(labelled, VERDICTS, "c")
    before = stamp(labelled, VERDICTS, "b")
    requests = night()
    behind_verdicts = {VERDICTS, "masked_tokens/srft", "masked_tokens/unresolved_masked"}
    assert asked(requests) == {"a…a": {"masked_tokens/srft"}, "c…c": behind_verdicts}
    for request in requests:
        run(request)
    assert "other" not in stamp(labelled, VERDICTS, "c").recipe.code
    assert stamp(labelled, VERDICTS, "b") == before
    assert isinstance(night(), dg.SkipReason)


def test_a_batch_that_was_never_labelled_is_labelled(labelled, night, run, instance, loaded):
    ingest(labelled, [write_lines(labelled.inbox / "d.jsonl", runs("d"))])
    assert isinstance(night(), dg.SkipReason), "its runs were not read yet"
    Applier(loaded, labelled, instance, Silent()).apply(["test_outcomes"], ["d"], [])
    requests = night()
    assert asked(requests) == {"d…d": {VERDICTS, *MASKS}}
    run(requests[0])
    assert isinstance(night(), dg.SkipReason)


def test_a_batch_whose_runs_changed_is_left_to_ingest(labelled, night):
    ingest(labelled, [write_lines(labelled.inbox / "a.jsonl", runs("other"))])
    make_stale(labelled, VERDICTS, "a")
    assert isinstance(night(), dg.SkipReason)


def test_masks_without_their_base_model_wait_and_verdicts_do_not(labelled, night, run):
    Warehouse(labelled.warehouse).path("base_models/tiny").unlink()
    make_stale(labelled, VERDICTS, "b")
    make_stale(labelled, "masked_tokens/sft", "b")
    requests = night()
    assert asked(requests) == {"b…b": {VERDICTS}}
    run(requests[0])


def test_neighbours_of_which_the_same_is_stale_share_a_run(labelled, night, run):
    for batch in BATCHES:
        make_stale(labelled, VERDICTS, batch)
    requests = night()
    assert list(asked(requests)) == ["a…c"]
    run(requests[0])
    assert isinstance(night(), dg.SkipReason)


def test_a_critic_that_nobody_asked_for_is_asked_for_nothing(labelled, night, server):
    assert isinstance(night(), dg.SkipReason)


def forget_answers(home: Home) -> None:
    with database_of(home).write() as connection:
        connection.execute(sa.delete(ANSWERS))
    shutil.rmtree(home.warehouse / "critic_calls")


def test_a_changed_prompt_labels_again_what_it_had_labelled(with_critic, night, run, server):
    assert isinstance(night(), dg.SkipReason), "batch c was never asked for"
    paid = server.answered.total()
    forget_answers(with_critic)
    make_other(with_critic, PROMPT)
    requests = night()
    assert asked(requests) == {"a…b": {PROMPT, ASKED}}
    run(requests[0])
    assert server.answered.total() - paid == 4
    assert Warehouse(with_critic.warehouse).partitions(ASKED) == ["a", "b"]
    assert isinstance(night(), dg.SkipReason)


def test_a_prompt_that_says_the_same_in_other_words_costs_nothing(
    with_critic, night, run, server, instance
):
    make_stale(with_critic, PROMPT, ONLY)
    paid = server.answered.total()
    requests = night()
    assert asked(requests) == {"None…None": {PROMPT}}
    run(requests[0])
    assert server.answered.total() == paid
    assert isinstance(night(), dg.SkipReason)


def test_the_batches_are_known_again_where_dagster_was_made_anew(labelled, night, instance):
    for batch in BATCHES:
        instance.delete_dynamic_partition("batch", batch)
    make_stale(labelled, VERDICTS, "b")
    assert list(asked(night())) == ["b…b"]
    assert instance.get_dynamic_partitions("batch") == BATCHES
