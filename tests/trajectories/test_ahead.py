"""The next batch is begun before this one is written, and nobody can tell from what comes out."""

import json
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.trajectories import ahead, stage
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.manifest import Manifest, registered_ns
from srft_assets.trajectories.sources import CLOCK_TICK_NS, SourceChangedError
from srft_assets.warehouse.content import data_version
from srft_assets.warehouse.store import Warehouse
from tests.trajectories.ingest_support import doubled_files, doubled_lines, make, run_of, write_runs


@pytest.fixture
def taken(monkeypatch) -> list[bool]:
    """Of every making, whether its rows were read ahead."""
    told: list[bool] = []

    def listening(home: Home, manifest: Manifest) -> object:
        begun = ahead.taken(home, manifest)
        told.append(begun is not None)
        return begun

    monkeypatch.setattr(stage, "taken", listening)
    return told


@pytest.fixture
def old(monkeypatch):
    """Sources need not be a second older than their manifest to pass at first sight."""
    monkeypatch.setattr("srft_assets.trajectories.sources.CLOCK_TICK_NS", 0)


@pytest.mark.parametrize(
    ("source", "name"), [(doubled_lines, "runs.jsonl"), (doubled_files, "runs")]
)
def test_rows_and_refusals_are_those_of_one_batch_after_the_other(
    old, taken, tmp_path, monkeypatch, source, name
):
    path = source(tmp_path / "source" / name)
    ahead_home, alone = Home(tmp_path / "ahead"), Home(tmp_path / "alone")
    batches = ingest(ahead_home, [path], batch="b", batch_size=20).batches
    ingest(alone, [path], batch="b", batch_size=20)
    made = [make(ahead_home, batch) for batch in batches]
    assert taken == [False, True, True]
    monkeypatch.setattr(stage, "begin_next", lambda *a: None)
    for batch, (frame, stamp) in zip(batches, made, strict=True):
        frame_alone, stamp_alone = make(alone, batch)
        assert frame.equals(frame_alone)
        assert data_version(frame) == stamp.data_version == stamp_alone.data_version
        assert stamp.refused == stamp_alone.refused
    assert taken[3:] == [False, False, False]
    told = [refusal.reason for _, stamp in made for refusal in stamp.refused]
    assert any("the first is" in reason for reason in told)
    assert any("batch b-000 holds it" in reason for reason in told)


def two_batches(home: Home, folder: Path) -> tuple[str, ...]:
    return ingest(home, [doubled_files(folder, tasks=50)], batch="b", batch_size=25).batches


def test_a_source_that_changed_after_it_was_read_ahead_stops_the_making(home, old, taken, tmp_path):
    first, second = two_batches(home, tmp_path / "runs")
    make(home, first)
    (tmp_path / "runs/49.json").write_text(json.dumps(run_of("task-9", turns=3)))
    with pytest.raises(SourceChangedError, match=r"49\.json: changed since it was ingested"):
        make(home, second)
    assert taken == [False, False]
    assert Warehouse(home.warehouse).stamp("trajectories", second) is None


def test_a_source_that_had_changed_before_is_not_read_ahead(home, old, taken, tmp_path):
    first, second = two_batches(home, tmp_path / "runs")
    path = tmp_path / "runs/49.json"
    ingested = path.read_bytes()
    path.write_text(json.dumps(run_of("task-9", turns=3)))
    make(home, first)
    path.write_bytes(ingested)
    frame, _ = make(home, second)
    assert taken == [False, False]
    assert frame.filter(source="49.json")["n_steps"].to_list() == [2]


def test_a_source_that_is_gone_while_it_is_read_ahead_may_come_back(home, old, taken, tmp_path):
    first, second = two_batches(home, tmp_path / "runs")
    path, aside = tmp_path / "runs/49.json", tmp_path / "aside.json"
    path.rename(aside)
    make(home, first)
    aside.rename(path)
    assert make(home, second)[0].height == 25
    assert taken == [False, False]


def test_what_is_in_sync_and_what_is_too_large_is_not_read_ahead(
    home, old, taken, tmp_path, monkeypatch
):
    first, second = two_batches(home, tmp_path / "runs")
    for batch in (second, first, second):
        make(home, batch)
    monkeypatch.setattr(ahead, "LARGE_BYTES", 1_000)
    Warehouse(home.warehouse).path("trajectories", second).unlink()
    make(home, first)
    make(home, second)
    assert taken == [False] * 5


def test_sources_as_young_as_their_manifest_are_not_read_ahead(home, taken, tmp_path):
    first, second = two_batches(home, tmp_path / "runs")
    young = (tmp_path / "runs/49.json").stat().st_ctime_ns + CLOCK_TICK_NS
    make(home, first)
    make(home, second)
    assert taken == [False, young < registered_ns(home, second)]


def test_a_source_of_the_next_batch_that_is_gone_does_not_stop_this_one(
    home, old, tmp_path, monkeypatch
):
    monkeypatch.setattr("srft_assets.trajectories.parts.PART_BYTES", 100)
    here, gone = doubled_lines(tmp_path / "runs/a.jsonl"), doubled_lines(tmp_path / "runs/b.jsonl")
    gone.write_text(gone.read_text().replace("task-", "other-"))
    first, second = ingest(home, [here, gone], batch="b", batch_size=60).batches
    gone.unlink()
    assert make(home, first)[0].height == 12
    with pytest.raises(SourceChangedError, match=r"b\.jsonl"):
        make(home, second)


def test_a_source_that_changes_while_it_is_read_stops_the_making(home, tmp_path, monkeypatch):
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    ingest(home, [folder])

    def begin_late(reading):
        (folder / "b.json").write_text(json.dumps(run_of("b", turns=3)))
        return ahead.begin(reading)

    monkeypatch.setattr(stage, "begin", begin_late)
    with pytest.raises(SourceChangedError, match="1 of 2 sources are not as they were ingested"):
        make(home, "runs")
    assert Warehouse(home.warehouse).stamp("trajectories", "runs") is None
