"""A platform whose labels are in sync, and a night on it."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from srft_assets.components.launch import RANGE_END, RANGE_START, Applier
from srft_assets.components.platform import Platform
from srft_assets.components.server import CriticServer
from srft_assets.components.stages import stages_in
from srft_assets.definitions import defs
from srft_assets.defs.relabel import relabel_nightly
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
from tests.chain.conftest import tokenizer_with, with_base_model
from tests.critic.server import Server, serving
from tests.defs.stale import ASKED, VERDICTS
from tests.outcomes.conftest import make
from tests.platform.silent import Silent
from tests.trajectories.ingest_support import run_of, write_lines

__all__ = ["tokenizer_with", "with_base_model"]

BATCHES = ["a", "b", "c"]
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
    for key in ("trajectories", "test_outcomes", VERDICTS, *MASKS):
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
        platform = Platform(critic_server=CriticServer())
        with dg.build_schedule_context(
            instance, repository_def=repository, resources={"platform": platform}
        ) as context:
            told = relabel_nightly.evaluate_tick(context)
        return list(told.run_requests or []) or dg.SkipReason(told.skip_message)

    return once


@pytest.fixture
def run(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition):
    """Carry out a run request."""

    def execute(request: dg.RunRequest) -> None:
        done = repository.get_job("relabel").execute_in_process(
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
