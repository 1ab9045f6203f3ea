"""A run that goes over from one batch to another is in one of them, once both are in sync."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srft_assets.home import Home
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.plan import State, state_of
from srft_assets.warehouse.store import Warehouse
from tests.trajectories.ingest_support import make, run_of, write_lines


def put(home: Home, folder: Path, batch: str, names: str) -> None:
    """Ingest a file of these runs as a batch of its own."""
    path = write_lines(folder / f"{batch}.jsonl", [run_of(name) for name in names])
    ingest(home, [path], batch=batch)


def stale(home: Home) -> dict[str, tuple[str, ...]]:
    """Batches out of sync, with the reasons."""
    stage, warehouse = trajectories_stage(), Warehouse(home.warehouse)
    states = (state_of(stage, home, warehouse, batch) for batch in batch_names(home))
    return {one.partition: one.why for one in states if one.state is not State.IN_SYNC}


def settle(home: Home) -> int:
    """Make what is stale until nothing is; how many partitions were made."""
    made = 0
    while found := list(stale(home)):
        for batch in found:
            make(home, batch)
        made += len(found)
        assert made < 50
    return made


def held(home: Home) -> dict[str, str]:
    """Batch → its instances. No instance is in two of them."""
    warehouse = Warehouse(home.warehouse)
    frames = {name: warehouse.read("trajectories", name) for name in batch_names(home)}
    return {name: "".join(sorted(frame["instance_id"])) for name, frame in frames.items()}


@pytest.fixture
def two(home: Home, tmp_path: Path) -> Home:
    put(home, tmp_path, "a", "xy")
    put(home, tmp_path, "b", "xz")
    assert settle(home) == 2
    assert held(home) == {"a": "xy", "b": "z"}
    return home


@pytest.mark.parametrize(
    ("runs", "why", "then"),
    [("y", "no more in a", {"a": "y", "b": "xz"}), ("xyz", "now in a", {"a": "xyz", "b": ""})],
    ids=["let go", "taken up"],
)
def test_a_run_that_the_first_batch_lets_go_or_takes_up_moves(two, tmp_path, runs, why, then):
    put(two, tmp_path, "a", runs)
    make(two, "a")
    assert why in stale(two)["b"][0]
    make(two, "b")
    assert stale(two) == {}
    assert held(two) == then


def test_what_concerns_no_later_batch_makes_none_of_them_again(two, tmp_path):
    put(two, tmp_path, "a", "xyw")
    assert settle(two) == 1
    assert held(two) == {"a": "wxy", "b": "z"}
    put(two, tmp_path, "b", "xzv")
    assert settle(two) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.text("uvwxyz", min_size=1, max_size=4)), max_size=8
    )
)
def test_after_any_edits_every_run_is_there_once(tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("moved")
    home = Home(folder / "home")
    sources: dict[str, str] = {}
    for batch, names in [("a", "xy"), ("b", "xz"), ("c", "yz"), *edits]:
        sources[batch] = names
        put(home, folder, batch, names)
        settle(home)
        wanted = set("".join(sources.values()))
        assert sorted("".join(held(home).values())) == sorted(wanted)
