"""At night, what is out of sync among verdicts and masks is made again, and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from srft_assets.components.asset import stages_in
from srft_assets.components.launch import RANGE_END, RANGE_START, Applier
from srft_assets.components.platform import CriticServer, Platform
from srft_assets.critic import spending
from srft_assets.database.store import ANSWERS, database_of
from srft_assets.definitions import defs, with_freshness
from srft_assets.defs.schedules import EVERY_NIGHT, nightly
from srft_assets.home import Home
from srft_assets.project.settings import Relabel
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import ONLY, Warehouse
from tests.chain.conftest import tokenizer_with, with_base_model
from tests.critic.server import Server, serving
from tests.defs.stale import ASKED, VERDICTS, make_other, make_stale, stamp
from tests.outcomes.conftest import make
from tests.platform.toy import Silent
from tests.trajectories.ingest_support import run_of, write_lines

__all__ = ["tokenizer_with", "with_base_model"]

BATCHES = ["a", "b", "c"]
PROMPT = "critic_prompt/default"
MASKS = [
    f"masked_tokens/{arm}" for arm in ("rft", "sft", "srft", "unresolved_masked", "unresolved_only")
]

Night = Callable[[], list[dg.RunRequest] | dg.SkipReason]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """What the critics of this module ask."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def loaded(server: Server) -> dg.Definitions:
    """The platform, its critics served by `server`."""
    platform = Platform(critic_server=CriticServer(base_url=server.base_url))
    whole = defs()
    resources = {**(whole.resources or {}), "platform": platform}
    return dg.Definitions(
        assets=whole.assets,
        asset_checks=whole.asset_checks,
        jobs=whole.jobs,
        resources=resources,
        executor=whole.executor,
    )


@pytest.fixture(scope="module")
def once_labelled(loaded, with_base_model, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three batches, everything by batch in sync."""
    home = Home(tmp_path_factory.mktemp("labelled") / "home")
    for batch in BATCHES:
        ingest(home, [write_lines(home.inbox / f"{batch}.jsonl", runs(f"{batch}0", f"{batch}1"))])
    with_base_model(home)
    stages = stages_in(loaded)
    for key in ("trajectories", "test_outcomes", "integrity", VERDICTS, *MASKS):
        for batch in BATCHES:
            make(home, stages[key], batch)
    return home


@pytest.fixture
def labelled(once_labelled: Home, home: Home, instance: dg.DagsterInstance) -> Home:
    """A platform of the test's own, labelled already."""
    shutil.copytree(once_labelled.warehouse, home.warehouse)
    shutil.copytree(once_labelled.inbox, home.inbox)
    for path in home.inbox.iterdir():
        ingest(home, [path])
    instance.add_dynamic_partitions("batch", BATCHES)
    return home


@pytest.fixture
def night(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition) -> Night:
    """Evaluate the schedule once, as the daemon does; a context left open outlives its instance."""

    def once() -> list[dg.RunRequest] | dg.SkipReason:
        platform = Platform()
        with dg.build_schedule_context(
            instance, repository_def=repository, resources={"platform": platform}
        ) as context:
            told = nightly(EVERY_NIGHT).evaluate_tick(context)
        return list(told.run_requests or []) or dg.SkipReason(told.skip_message)

    return once


@pytest.fixture
def run(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition):
    """Carry out a run request."""

    def execute(request: dg.RunRequest) -> None:
        done = repository.get_job(nightly(EVERY_NIGHT).job_name).execute_in_process(
            asset_selection=request.asset_selection, tags=request.tags, instance=instance
        )
        assert done.success

    return execute


@pytest.fixture
def with_critic(labelled: Home, loaded: dg.Definitions, instance, server: Server) -> Home:
    """Batches `a` and `b` also bear verdicts of a critic that asks a server: two calls each."""
    server.answered.clear()
    Applier(loaded, labelled, instance, Silent()).apply([ASKED], ["a", "b"], [])
    return labelled


def runs(*names: str) -> list[dict[str, Any]]:
    """Failed runs: critics judge them."""
    return [{**run_of(name), "resolved": False, "patch": "diff"} for name in names]


def asked(requests: list[dg.RunRequest] | dg.SkipReason) -> dict[str, set[str]]:
    """Assets by range of batches."""
    assert isinstance(requests, list)
    return {
        f"{request.tags.get(RANGE_START)}…{request.tags.get(RANGE_END)}": {
            key.to_user_string() for key in request.asset_selection or []
        }
        for request in requests
    }


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
    assert asked(requests) == {"d…d": {"integrity", VERDICTS, *MASKS}}
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


def test_one_run_asks_a_critic_that_no_arm_needs_beside_the_others(with_critic, night, run, server):
    paid = server.answered.total()
    forget_answers(with_critic)
    for batch in ("a", "b"):
        make_stale(with_critic, VERDICTS, batch)
        make_stale(with_critic, ASKED, batch)
    requests = night()
    masks = {"masked_tokens/srft", "masked_tokens/unresolved_masked"}
    assert asked(requests) == {"a…b": {VERDICTS, ASKED, *masks}}
    run(requests[0])
    assert server.answered.total() - paid == 4
    assert isinstance(night(), dg.SkipReason)


def test_batches_that_are_no_neighbours_among_those_asked_for_have_a_run_each(
    labelled, loaded, night, instance
):
    applier = Applier(loaded, labelled, instance, Silent())
    for batches in (["b", "c"], ["a"]):
        applier.apply([ASKED], batches, [])
    for batch in BATCHES:
        make_stale(labelled, ASKED, batch)
    assert list(asked(night())) == ["b…a"], "neighbours in their own order"
    for batch in BATCHES:
        make_stale(labelled, VERDICTS, batch)
    assert sorted(asked(night())) == ["a…a", "b…c"]


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


def test_settings_name_the_critics_and_the_batches(labelled, night, monkeypatch):
    monkeypatch.setenv("SRFT_RELABEL_CRITICS", "default")
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "a,b")
    assert asked(night()) == {"a…b": {PROMPT, ASKED}}
    monkeypatch.setenv("SRFT_RELABEL_CRITICS", "rules")
    make_stale(labelled, VERDICTS, "c")
    assert isinstance(night(), dg.SkipReason), "batch c is not named"


def test_patterns_that_fit_no_batch_are_told(labelled, night, monkeypatch):
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "smith-*")
    told = night()
    assert isinstance(told, dg.SkipReason)
    assert told.skip_message == "relabel.batches (smith-*) fits none of: a, b, c"
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "!a")
    for batch in BATCHES:
        make_stale(labelled, VERDICTS, batch)
    assert list(asked(night())) == ["b…c"]


def test_masks_of_critics_that_are_not_named_are_made_anew_too(with_critic, night, monkeypatch):
    monkeypatch.setenv("SRFT_RELABEL_CRITICS", "default")
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "a")
    make_stale(with_critic, "masked_tokens/srft", "a")
    assert asked(night()) == {"a…a": {"masked_tokens/srft"}}
    make_stale(with_critic, VERDICTS, "a")
    assert isinstance(night(), dg.SkipReason), "its verdicts are not to be made"


def test_a_night_ends_at_its_budget_and_the_next_one_goes_on(
    with_critic, night, server, instance, repository, monkeypatch
):
    paid = server.answered.total()
    forget_answers(with_critic)
    make_other(with_critic, PROMPT)
    monkeypatch.setenv("SRFT_RELABEL_MAX_CALLS", "3")

    def execute() -> dg.ExecuteInProcessResult:
        (request,) = night()
        return repository.get_job(nightly(EVERY_NIGHT).job_name).execute_in_process(
            asset_selection=request.asset_selection,
            tags=request.tags,
            instance=instance,
            raise_on_error=False,
        )

    assert not execute().success
    assert server.answered.total() - paid == 3
    assert not execute().success, "nothing is left for today"
    assert server.answered.total() - paid == 3
    monkeypatch.setattr(spending, "today", lambda: "9999-01-01")
    assert execute().success
    assert server.answered.total() - paid == 4
    assert isinstance(night(), dg.SkipReason)


def test_verdicts_that_the_schedule_looks_after_have_a_freshness_policy_where_it_is_stated(loaded):
    def with_policy(stated: Relabel) -> set[str]:
        graph = with_freshness(loaded, stated).resolve_asset_graph()
        return {
            node.key.to_user_string()
            for node in graph.asset_nodes
            if node.freshness_policy_or_from_metadata
        }

    assert with_policy(Relabel()) == set()
    every = {f"step_verdicts/{name}" for name in ("default", "rules", "strict", "with_patch")}
    assert with_policy(Relabel(overdue_hours=36)) == every
    assert with_policy(Relabel(overdue_hours=36, critics=("strict",))) == {"step_verdicts/strict"}


def test_a_night_that_finds_verdicts_in_sync_says_so_for_their_freshness(
    labelled, night, instance, monkeypatch
):
    def told() -> list[dg.AssetMaterialization]:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(VERDICTS.split("/")))
        records = instance.fetch_materializations(wanted, limit=9).records
        return [record.asset_materialization for record in records]

    night()
    assert told() == [], "nothing is overdue by default"
    monkeypatch.setenv("SRFT_RELABEL_OVERDUE_HOURS", "36")
    make_stale(labelled, VERDICTS, "c")
    night()
    assert told() == [], "they are not in sync"
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "a,b")
    assert isinstance(night(), dg.SkipReason)
    (one,) = told()
    assert (one.partition, one.metadata["kept"].value) == ("b", True)


def test_a_time_that_is_none_stops_the_schedule_only(caplog):
    schedule = nightly("61 3 * * *")
    assert schedule.name == "relabel_nightly"
    with dg.build_schedule_context() as context:
        told = schedule.evaluate_tick(context)
    said = "relabel.cron: '61 3 * * *' is no time (five fields of cron, as '0 3 * * *')"
    assert (told.skip_message, list(told.run_requests or [])) == (said, [])
    assert said in caplog.text and said in str(schedule.description)
