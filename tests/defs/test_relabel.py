"""At night, what is out of sync among verdicts and masks is made again, and nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest

from srft_assets.components.launch import Applier, open_instance
from srft_assets.components.platform import Platform
from srft_assets.definitions import defs
from srft_assets.defs.relabel import relabel_nightly
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import Warehouse
from tests.chain.conftest import tokenizer_with, with_base_model
from tests.platform.silent import Silent
from tests.trajectories.ingest_support import run_of, write_lines

__all__ = ["tokenizer_with", "with_base_model"]

BATCHES = ["a", "b", "c"]
MASKS = [
    f"masked_tokens/{arm}" for arm in ("rft", "sft", "srft", "unresolved_masked", "unresolved_only")
]
VERDICTS = "step_verdicts/rules"

Night = Callable[[], list[dg.RunRequest] | dg.SkipReason]


@pytest.fixture(scope="session")
def loaded() -> dg.Definitions:
    return defs()


@pytest.fixture(scope="session")
def once_labelled(loaded, with_base_model, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three batches, everything by batch in sync."""
    home = Home(tmp_path_factory.mktemp("labelled") / "home")
    for batch in BATCHES:
        path = write_lines(home.inbox / f"{batch}.jsonl", [run_of(f"{batch}{n}") for n in range(2)])
        ingest(home, [path])
    with_base_model(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRFT_HOME", str(home.root))
        patch.setenv("DAGSTER_HOME", str(home.dagster))
        with open_instance(home) as instance:
            Applier(loaded, home, instance, Silent()).apply([VERDICTS, *MASKS], BATCHES, [])
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
    """Evaluate the schedule once. A context left open would outlive its instance."""

    def once() -> list[dg.RunRequest] | dg.SkipReason:
        with dg.build_schedule_context(
            instance, repository_def=repository, resources={"platform": Platform()}
        ) as context:
            return relabel_nightly(context)

    return once


@pytest.fixture
def run(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition):
    """Carry out a run request."""

    def execute(request: dg.RunRequest) -> None:
        done = repository.get_job("relabel").execute_in_process(
            partition_key=request.partition_key,
            asset_selection=request.asset_selection,
            tags=request.tags,
            instance=instance,
        )
        assert done.success

    return execute


def asked(requests: list[dg.RunRequest] | dg.SkipReason) -> dict[str, set[str]]:
    """Assets by batch."""
    assert isinstance(requests, list)
    return {
        str(request.partition_key): {key.to_user_string() for key in request.asset_selection or []}
        for request in requests
    }


def make_stale(home: Home, asset: str, batch: str) -> None:
    """As if the partition had been made by other code."""
    warehouse = Warehouse(home.warehouse)
    old = stamp(home, asset, batch)
    recipe = replace(old.recipe, code={**old.recipe.code, "other": "before"})
    frame = warehouse.read(asset, batch)
    warehouse.write(
        asset, batch, frame, replace(old, recipe=recipe, fingerprint=recipe.fingerprint)
    )


def stamp(home: Home, asset: str, batch: str) -> Stamp:
    found = Warehouse(home.warehouse).stamp(asset, batch)
    assert found is not None
    return found


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
    assert asked(requests) == {"a": {"masked_tokens/srft"}, "c": behind_verdicts}
    for request in requests:
        run(request)
    assert "other" not in stamp(labelled, VERDICTS, "c").recipe.code
    assert stamp(labelled, VERDICTS, "b") == before
    assert isinstance(night(), dg.SkipReason)


def test_a_batch_that_was_never_labelled_is_labelled(labelled, night, run, instance, loaded):
    ingest(labelled, [write_lines(labelled.inbox / "d.jsonl", [run_of("d")])])
    assert isinstance(night(), dg.SkipReason), "its runs were not read yet"
    Applier(loaded, labelled, instance, Silent()).apply(["test_outcomes"], ["d"], [])
    requests = night()
    assert asked(requests) == {"d": {VERDICTS, *MASKS}}
    run(requests[0])
    assert isinstance(night(), dg.SkipReason)


def test_a_batch_whose_runs_changed_is_left_to_ingest(labelled, night):
    ingest(labelled, [write_lines(labelled.inbox / "a.jsonl", [run_of("other")])])
    make_stale(labelled, VERDICTS, "a")
    assert isinstance(night(), dg.SkipReason)


def test_masks_without_their_base_model_wait_and_verdicts_do_not(labelled, night, run):
    Warehouse(labelled.warehouse).path("base_models/tiny").unlink()
    make_stale(labelled, VERDICTS, "b")
    make_stale(labelled, "masked_tokens/sft", "b")
    requests = night()
    assert asked(requests) == {"b": {VERDICTS}}
    run(requests[0])
