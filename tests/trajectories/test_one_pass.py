"""Ingest writes the partitions of new batches while it reads, and what it wrote is what is made."""

import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srft_assets.home import Home
from srft_assets.trajectories.batches import batch_names, manifests
from srft_assets.trajectories.formats import READERS
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.reader import Reader
from srft_assets.trajectories.sources import open_source
from srft_assets.warehouse.partitions import Warehouse
from tests.trajectories.ingest_support import (
    fingerprint,
    make,
    put,
    run_of,
    write_lines,
    write_runs,
)


def written(home: Home, batch: str):
    warehouse = Warehouse(home.warehouse)
    return warehouse.read("trajectories", batch), warehouse.stamp("trajectories", batch)


def mixed(folder):
    """Runs of several kinds of files, some held twice, and files and rows that are refused."""
    write_runs(folder, ["a", "b", "c"])
    write_lines(folder / "d.jsonl", [run_of("d"), run_of("a"), {"messages": 3}, run_of("e")])
    put(folder / "e.json", [run_of(f"f{number}") for number in range(5)])
    put(folder / "torn.json", "{")
    put(folder / "notes.md", "x")
    put(folder / "logs/a/report.json", {"a": {"patch_exists": True, "resolved": True}})
    return folder


@pytest.mark.parametrize("batch_size", [1, 2, 5, 200])
def test_what_ingest_writes_is_what_is_made_from_the_sources(home, tmp_path, batch_size):
    plan = ingest(home, [mixed(tmp_path / "runs")], batch_size=batch_size)
    for batch in plan.batches:
        frame, stamp = written(home, batch)
        assert fingerprint(home, batch) == stamp.fingerprint, "it is in sync"
        again, made = make(home, batch)
        assert frame.equals(again)
        assert (stamp.data_version, stamp.refused) == (made.data_version, made.refused)
    assert sum(one.rows for one in manifests(home)) == plan.rows == 12


def test_a_table_that_breaks_off_is_read_up_to_there_each_time(home, tmp_path):
    runs = [run_of(f"t{number}") for number in range(40)]
    rows = [{**run, "messages": json.dumps(run["messages"])} for run in runs]
    path = tmp_path / "runs.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=20, compression="none")
    start = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"\xff" * 40 + content[start + 40 :])
    ingest(home, [path])
    frame, stamp = written(home, "runs")
    assert frame["trajectory_id"].n_unique() == frame.height == 20
    assert [one.line()[:45] for one in stamp.refused] == [
        "runs.parquet, row 20: broken parquet file at "
    ]
    again, made = make(home, "runs")
    assert frame.equals(again) and stamp.refused == made.refused


def test_files_are_parsed_once(home, tmp_path, monkeypatch):
    opened = []

    def noted(found, *rest):
        opened.append(found.path)
        return open_source(found, *rest)

    monkeypatch.setattr("srft_assets.trajectories.ingest.open_source", noted)
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    ingest(home, [folder])
    ingest(home, [folder])
    assert opened == ["a.json", "b.json"]


def test_a_refused_file_is_told_in_the_batch_that_was_being_filled(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b", "d", "e"])
    put(folder / "c.json", "{")
    plan = ingest(home, [folder], batch_size=2)
    told = [[one.source for one in written(home, batch)[1].refused] for batch in plan.batches]
    assert told == [["c.json"], []]
    assert ingest(home, [folder], batch_size=2).unchanged == plan.batches


def test_registered_only_nothing_is_written(home, tmp_path):
    plan = ingest(home, [write_runs(tmp_path / "runs", ["a"])], partitions=False)
    assert (plan.new, batch_names(home)) == (("runs",), ["runs"])
    assert written_names(home) == []


def written_names(home: Home) -> list[str]:
    return Warehouse(home.warehouse).partitions("trajectories")


def test_a_batch_that_changed_is_stale_until_it_is_made(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    ingest(home, [folder])
    write_runs(folder, ["b"])
    assert ingest(home, [folder]).changed == ("runs",)
    assert fingerprint(home, "runs") != written(home, "runs")[1].fingerprint
    assert make(home, "runs")[0].height == 2


def test_a_fault_of_a_reader_is_told_as_ours_and_the_rest_goes_on(home, tmp_path, monkeypatch):
    def broken(record, source):
        raise AttributeError("'NoneType' object has no attribute 'get'")

    faulty = Reader("faulty", lambda record, hint: "faulty" in record, broken)
    monkeypatch.setattr("srft_assets.trajectories.formats.READERS", {"faulty": faulty, **READERS})
    rows = [run_of("a"), run_of("b") | {"faulty": True}, run_of("c")]
    ingest(home, [write_lines(tmp_path / "runs.jsonl", rows)])
    frame, stamp = written(home, "runs")
    assert frame["instance_id"].to_list() == ["a", "c"]
    (refusal,) = stamp.refused
    assert refusal.line().startswith(
        "runs.jsonl, row 1: internal error of a reader: AttributeError: 'NoneType' object has no"
    )
    assert refusal.subject == "b"


def test_python_holds_one_batch_at_a_time(tmp_path):
    def peak(runs: int) -> int:
        home = Home(tmp_path / f"home-{runs}")
        path = tmp_path / f"runs-{runs}.jsonl"
        filler = "x" * 20_000
        with path.open("w") as file:
            for number in range(runs):
                file.write(json.dumps(run_of(f"t{number}") | {"patch": filler}) + "\n")
        tracemalloc.start()
        ingest(home, [path], batch_size=20)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    assert peak(200) < 1.5 * peak(20)
