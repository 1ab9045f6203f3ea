"""Runs become rows and come back; a run that does not fit is told alone."""

import polars as pl
import pytest

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import (
    TRAJECTORIES,
    Trajectory,
    frame_of,
    from_row,
    joined,
    rows_of,
)
from srft_assets.warehouse.partitions import data_version
from tests.trajectories.ingest_support import run_of


def runs(*names: str) -> list[Trajectory]:
    return [
        read_record(run_of(name, turns=row), source="runs.jsonl", row=row)
        for row, name in enumerate(names, 1)
    ]


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "c")])
def test_a_run_comes_back_from_its_row_whole(names):
    frame, refused = frame_of(runs(*names), "batch")
    assert frame.schema == TRAJECTORIES
    assert [from_row(row) for row in frame.iter_rows(named=True)] == runs(*names)
    assert frame["batch"].to_list() == ["batch"] * len(names)
    assert refused == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("submission", 7), ("submission", "\ud800"), ("submission", ["x"]), ("tools", [{"a": {1}}])],
)
def test_a_run_that_does_not_fit_is_refused_alone(field, value):
    found = runs("a", "b", "c")
    setattr(found[1], field, value)
    frame, (refusal,) = frame_of(found, "batch")
    assert frame["instance_id"].to_list() == ["a", "c"]
    assert refusal.line().startswith("runs.jsonl, row 2: does not fit the schema: ")
    assert refusal.subject == found[1].trajectory_id


def test_the_data_version_does_not_tell_how_the_rows_were_made():
    whole, _ = frame_of(runs("a", "b", "c"), "batch")
    pieces = joined([rows_of([run], "batch") for run in runs("a", "b", "c")])
    by_row = pl.DataFrame(whole.rows(), schema=TRAJECTORIES, orient="row")
    around = pl.concat([whole[1:], whole, whole[:2]], rechunk=False)
    for same in (pieces, by_row, around[2:5], around.rechunk()[2:5]):
        assert same.equals(whole)
        assert data_version(same) == data_version(whole)


def test_every_value_of_a_run_counts_for_the_data_version():
    versions = {data_version(frame_of(runs("a", "b"), "batch")[0])}
    for change in ("messages", "thought", "command", "observation", "return code", "null"):
        found = runs("a", "b")
        step = found[1].steps[0]
        match change:
            case "messages":
                found[1].messages[0]["content"] += "."
            case "thought":
                step.thought += "."
            case "command":
                step.actions[0].command += "."
            case "observation":
                step.observations.append("")
            case "return code":
                step.return_codes.append(None)
            case "null":
                found[1].model = ""
        versions.add(data_version(frame_of(found, "batch")[0]))
    assert len(versions) == 7
