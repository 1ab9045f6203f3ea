"""Records come out of every kind of file, one at a time, and a bad one is told by its row."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.trajectories import records
from srft_assets.trajectories.batches import Item
from srft_assets.trajectories.discover import Found, discover
from srft_assets.trajectories.drafts import Draft
from srft_assets.trajectories.records import Record
from srft_assets.trajectories.sources import (
    SourceChangedError,
    open_source,
    read_item,
    unchanged,
)
from tests.trajectories.ingest_support import run_of, write_lines

NAMES = [f"task-{number}" for number in range(50)]
ROWS = [run_of(name) for name in NAMES]


def found_at(path: Path) -> Found:
    return discover([path]).files[0]


def item_of(path: Path, first: int = 0, rows: int | None = None) -> Item:
    """The item of these rows, as ingest makes it while it parses the file."""
    found, draft, at = found_at(path), Draft(), 0
    with path.open("rb") as file:
        source = open_source(found, file)
        assert source.ruling.reason == ""
        for record in source.records:
            if first <= (record.row or 0) < first + (rows or 1 << 30):
                draft.add(source, record, at)
            at += record.size
        (item,) = draft.all_items()
        return item


def read(path: Path, first: int = 0, rows: int | None = None, **options) -> list[Record]:
    return list(read_item(path.parent, item_of(path, first, rows), **options))


def names(found: list[Record]) -> list[str]:
    return [one.value["instance_id"] for one in found if not one.problem]


def as_lines(folder: Path) -> Path:
    return write_lines(folder / "runs.jsonl", ROWS)


def as_array(folder: Path) -> Path:
    path = folder / "runs.json"
    path.write_text(json.dumps(ROWS, indent=1))
    return path


def as_parquet(folder: Path) -> Path:
    path = folder / "runs.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=7)
    return path


def as_arrow_stream(folder: Path) -> Path:
    path = folder / "runs.arrow"
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


def as_arrow_file(folder: Path) -> Path:
    path = folder / "runs.arrow"
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


EVERY_KIND = pytest.mark.parametrize(
    "written", [as_lines, as_array, as_parquet, as_arrow_stream, as_arrow_file]
)


@pytest.mark.parametrize("layout", ["parquet", "arrow"])
def test_keys_that_are_null_only_because_a_table_has_them_are_no_data(tmp_path, layout):
    calls = [{"id": None, "arguments": one} for one in ({"command": "ls"}, {"path": "p.py"})]
    rows = pa.Table.from_pylist([{"messages": calls, "tools": None}])
    path = tmp_path / f"runs.{layout}"
    if layout == "parquet":
        pq.write_table(rows, path)
    else:
        with pa.ipc.new_file(path, rows.schema) as file:
            file.write_table(rows)
    (record,) = records.of_table(path, layout, 0, 1, 0)
    assert record.value == {"messages": calls, "tools": None}


@EVERY_KIND
def test_all_rows_in_order(tmp_path, written):
    found = read(written(tmp_path))
    assert names(found) == NAMES
    assert [one.row for one in found] == list(range(50))
    assert found[3].value["messages"] == ROWS[3]["messages"]


@EVERY_KIND
@pytest.mark.parametrize(("first", "rows"), [(0, 1), (6, 2), (13, 30), (49, 1), (20, 30)])
def test_a_range_of_rows(tmp_path, written, first, rows):
    found = read(written(tmp_path), first, rows)
    assert names(found) == NAMES[first : first + rows]
    assert [one.row for one in found] == list(range(first, first + rows))


@EVERY_KIND
def test_a_row_over_the_limit_is_refused_and_the_rest_goes_on(tmp_path, written, monkeypatch):
    fat = run_of("task-5")
    fat["messages"][1]["content"] = "x" * 300_000
    monkeypatch.setitem(globals(), "ROWS", [*ROWS[:5], fat, *ROWS[6:]])
    found = read(written(tmp_path), limit=100_000)
    assert names(found) == NAMES[:5] + NAMES[6:]
    (refused,) = (one for one in found if one.problem)
    assert refused.row == 5
    assert "one record of 0.3 MB: the limit is 0.1 MB" in refused.problem


@EVERY_KIND
def test_a_changed_file_is_noticed(tmp_path, written, monkeypatch):
    path = written(tmp_path)
    item = item_of(path)
    assert unchanged(found_at(path), item, 0)
    assert len(list(read_item(tmp_path, item))) == 50
    monkeypatch.setitem(globals(), "ROWS", [*ROWS[:-1], run_of("task-x")])
    written(tmp_path)
    assert not unchanged(found_at(path), item, 0)
    with pytest.raises(SourceChangedError, match=f"{path.name}: changed since it was ingested"):
        list(read_item(tmp_path, item))
    path.unlink()
    with pytest.raises(SourceChangedError, match="No such file"):
        list(read_item(tmp_path, item))


def test_a_file_is_not_read_again_where_its_times_tell_that_it_did_not_change(tmp_path):
    path = as_lines(tmp_path)
    item = item_of(path)
    other = path.read_bytes().replace(b"task-1", b"task-x")
    path.write_bytes(other)
    os.utime(path, ns=(item.mtime_ns, item.mtime_ns))
    late = item.model_copy(update={"ctime_ns": path.stat().st_ctime_ns})
    assert unchanged(found_at(path), late, late.ctime_ns + 2 * 10**9)
    assert not unchanged(found_at(path), late, late.ctime_ns), "within one tick of the clock"
    assert not unchanged(found_at(path), item, late.ctime_ns + 2 * 10**9)


def test_rows_added_to_json_lines_do_not_disturb_those_before(tmp_path):
    path = as_lines(tmp_path)
    item = item_of(path)
    with path.open("a") as file:
        file.write(json.dumps(run_of("late")) + "\n")
    assert unchanged(found_at(path), item, 0)
    assert names(list(read_item(tmp_path, item))) == NAMES


def test_a_last_line_that_went_on_is_a_change(tmp_path):
    path = as_lines(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    item = item_of(path)
    as_lines(tmp_path)
    assert not unchanged(found_at(path), item, 0)


@EVERY_KIND
def test_a_huge_file_is_read_as_a_small_one(tmp_path, written, monkeypatch):
    path = written(tmp_path)
    small = read(path)
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 1000)
    huge = read(path)
    assert [replace(one, size=0) for one in huge] == [replace(one, size=0) for one in small]


@given(
    st.lists(st.recursive(st.none() | st.booleans() | st.text(max_size=3), st.lists), max_size=5)
)
def test_rows_of_a_huge_array_are_its_elements(values):
    data = json.dumps(values).encode()
    assert [one.value for one in records.of_huge_array(records.BytesIO(data))] == values


def test_a_file_that_is_one_run_has_no_row(tmp_path):
    path = tmp_path / "task-1.traj.json"
    path.write_text(json.dumps(run_of("task-1")))
    (record,) = read(path)
    assert (record.value, record.row) == (run_of("task-1"), None)


def test_a_list_of_messages_is_one_run(tmp_path):
    path = tmp_path / "github_issue.traj.json"
    path.write_text(json.dumps(ROWS[0]["messages"]))
    (record,) = read(path)
    assert record.value == ROWS[0]["messages"]


def test_json_lines_in_a_file_named_json(tmp_path):
    path = as_lines(tmp_path).rename(tmp_path / "runs.json")
    assert names(read(path)) == NAMES


def test_what_python_writes_and_json_forbids_is_read(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"messages": [], "cost": NaN}\n\n{"messages": [], "cost": 1}\n')
    assert [(one.row, one.value["cost"]) for one in read(path) if not one.blank] == [
        (0, None),
        (2, 1),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"messages": [{"role": "user"', "truncated JSON: it ends after 29 bytes inside a value"),
        (b'{"messages": "\xff"}', "not UTF-8: byte 0xff at offset 14"),
        (b'{"messages": nope}', "broken JSON: invalid literal"),
        (b'{"messages": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_a_bad_line_is_one_refusal_with_file_and_row(tmp_path, line, reason):
    good = json.dumps(ROWS[0]).encode()
    path = tmp_path / "runs.jsonl"
    path.write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    first, refused, last = read(path)
    assert first.value == last.value == ROWS[0]
    assert refused.row == 1
    assert refused.problem.startswith(reason)


def test_an_array_cut_off_in_a_row_keeps_the_rows_before(tmp_path):
    path = as_array(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    found = read(path)
    assert names(found) == NAMES[:-1]
    assert (found[-1].row, found[-1].problem[:14]) == (49, "truncated JSON")


def test_of_a_broken_array_the_rows_before_the_fault_are_read(tmp_path):
    path = as_array(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"task-7"', b"task-7"))
    found = read(path)
    assert names(found) == NAMES[:7]
    assert (found[-1].row, found[-1].problem[:11]) == (7, "broken JSON")
    assert "what follows cannot be read" in found[-1].problem


def test_columns_of_real_data_sets(tmp_path, shared):
    """A Hugging Face row through Parquet is the row, with None for the keys it lacks."""
    raw = shared / "trajectories/hf-samples/nebius_SWE-agent-trajectories/sample_raw.json"
    rows = json.loads(raw.read_bytes())
    path = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert [one.value for one in read(path)] == rows
