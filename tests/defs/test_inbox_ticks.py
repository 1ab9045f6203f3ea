"""Ticks of the inbox while its runs go on, and clocks that differ."""

import dagster as dg
import pytest

from srft_assets.components.stages import stages_in
from tests.defs.test_inbox import keys, put, tick
from tests.outcomes.conftest import make
from tests.trajectories.ingest_support import run_of, write_lines

__all__ = ["tick"]


@pytest.fixture
def launched(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition):
    """Put a requested run into the instance as the daemon does, going on."""

    def launch(request: dg.RunRequest) -> dg.DagsterRun:
        return instance.create_run_for_job(
            repository.get_job("ingest_runs"),
            tags={**request.tags, "dagster/run_key": request.run_key},
            status=dg.DagsterRunStatus.STARTED,
        )

    return launch


def test_a_run_that_is_half_way_is_not_asked_for_again(tick, launched, home, loaded, instance):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    run = launched(tick().run_requests[0])
    make(home, stages_in(loaded)["trajectories"], "runs")
    assert keys(tick()) == {}
    instance.report_run_failed(run)
    assert list(keys(tick())) == ["runs"]


def test_a_file_that_changes_under_its_run_is_asked_for(tick, launched, home):
    path = put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]))
    launched(tick().run_requests[0])
    put(write_lines(path, [run_of("a"), run_of("b")]))
    assert list(keys(tick())) == ["runs"]


def test_a_file_of_a_clock_that_is_ahead_is_read(tick, home, monkeypatch):
    put(write_lines(home.inbox / "runs.jsonl", [run_of("a")]), seconds=-86400)
    assert keys(tick()) == {}
    monkeypatch.setattr("srft_assets.defs.inbox.QUIET_SECONDS", -1.0)
    assert list(keys(tick())) == ["runs"]
