"""For whom a run waits that wants the slot of a pool."""

import time

import dagster as dg
import pytest

from srft_assets.components import slots
from srft_assets.components.abandoned import process_tags
from srft_assets.components.launch import open_instance


@pytest.fixture
def instance(home, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with open_instance(home) as instance:
        yield instance


@dg.asset(pool="slow")
def slow() -> None:
    time.sleep(1.0)


def test_a_run_that_holds_its_slot_waits_for_nobody(instance, monkeypatch):
    monkeypatch.setattr(slots, "LOOK_SECONDS", 0.05)
    told: list[str] = []
    with slots.looked_after(instance, told.append):
        done = dg.materialize([slow], instance=instance, tags=process_tags())
    assert done.success
    assert told == []


def test_a_run_that_waits_is_told_for_whom(instance, monkeypatch):
    monkeypatch.setattr(slots, "LOOK_SECONDS", 0.05)
    held = dg.DagsterRun(job_name="held", run_id="11111111-1111-1111-1111-111111111111")
    instance.add_run(held)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("slow", 1)
    storage.claim_concurrency_slot("slow", held.run_id, "step")
    told: list[str] = []

    def tell(note: str) -> None:
        told.append(note)
        storage.free_concurrency_slots_for_run(held.run_id)

    with slots.looked_after(instance, tell):
        assert dg.materialize([slow], instance=instance, tags=process_tags()).success
    assert told == ["waits for run 11111111, which holds the pool slow"]
