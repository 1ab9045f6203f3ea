"""Slots of Dagster's pools: for whom a run waits, and those that killed runs left taken."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from srft_assets.components.abandoned import PROCESS_TAG, close_abandoned, process_tags

LOOK_SECONDS = 3.0


def free_left(instance: dg.DagsterInstance) -> None:
    """Free the slots of killed processes. Dagster keeps them for runs that it saw no end of."""
    close_abandoned(instance)
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


@contextmanager
def looked_after(instance: dg.DagsterInstance, tell: Callable[[str], None]) -> Iterator[None]:
    """While a run of this process waits for a slot, tell for whom, and free what the dead left."""
    over = threading.Event()

    def look() -> None:
        told = ""
        while not over.wait(LOOK_SECONDS):
            holder = _holder(instance)
            if holder:
                free_left(instance)
                if holder != told:
                    tell(f"waits for {holder}")
            told = holder

    thread = threading.Thread(target=look, name="pool slots", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _holder(instance: dg.DagsterInstance) -> str:
    """Who holds the slot that a run of this process waits for; empty where none waits."""
    storage = instance.event_log_storage
    mine = process_tags()[PROCESS_TAG]
    for key in storage.get_concurrency_keys():
        pool = storage.get_concurrency_info(key)
        waiting = [step for step in pool.pending_steps if step.assigned_timestamp is None]
        if any(_process(instance, step.run_id) == mine for step in waiting):
            for slot in pool.claimed_slots:
                process = _process(instance, slot.run_id).partition(":")[0]
                named = f"process {process}" if process else f"run {slot.run_id[:8]}"
                return f"{named}, which holds the pool {key}"
    return ""


def _process(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    return run.tags.get(PROCESS_TAG, "") if run else ""
