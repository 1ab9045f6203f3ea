"""Runs become rows and come back; a run that does not fit is told alone."""

import pytest

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.frame import frame_of
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reads import uncollected
from srft_assets.trajectories.schema import TRAJECTORIES, from_row
from tests.trajectories.ingest_support import run_of


def runs(*names: str) -> list[Trajectory]:
    return [
        read_record(run_of(name, turns=row), source="runs.jsonl", row=row, hint="runs.jsonl")
        for row, name in enumerate(names, 1)
    ]


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "c")])
def test_a_run_comes_back_from_its_row_whole(names):
    frame, refused = frame_of(runs(*names), "batch")
    assert frame.schema == TRAJECTORIES
    assert [from_row(row) for row in frame.iter_rows(named=True)] == runs(*names)
    assert frame["batch"].to_list() == ["batch"] * len(names)
    assert refused == []


@pytest.mark.parametrize("patch", [7, "\ud800", ["x"]])
def test_a_run_that_does_not_fit_is_refused_alone(patch):
    found = runs("a", "b", "c")
    found[1].submission = patch
    frame, (refusal,) = frame_of(found, "batch")
    assert frame["instance_id"].to_list() == ["a", "c"]
    assert refusal.line().startswith("runs.jsonl, row 2: does not fit the schema: ")
    assert refusal.subject == found[1].trajectory_id


def test_collection_is_as_it_was_afterwards():
    import gc

    assert gc.isenabled()
    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
