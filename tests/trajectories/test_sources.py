"""Records come out of every kind of file, one at a time, and a bad one is told by its row."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srft_assets.refusal import Refusal
from srft_assets.trajectories.manifest import Item
from srft_assets.trajectories.scan import scan
from srft_assets.trajectories.sources import (
    Record,
    SourceChangedError,
    open_records,
    verify,
)
from srft_assets.trajectories.walk import walk
from tests.trajectories.ingest_support import run_of, write_lines

NAMES = [f"task-{number}" for number in range(50)]
ROWS = [run_of(name) for name in NAMES]


def item_of(path: Path, first: int = 0, rows: int | None = None) -> Item:
    seen = scan(walk([path]).files[0])
    assert seen.ruling.reason == ""
    return seen.item(first, seen.rows - first if rows is None else rows)


def read(path: Path, first: int = 0, rows: int | None = None, **options) -> list[Record | Refusal]:
    return list(open_records(path.parent, item_of(path, first, rows), **options))


def names(found: list[Record | Refusal]) -> list[str]:
    return [one.value["instance_id"] for one in found if isinstance(one, Record)]


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
    (refusal,) = (one for one in found if isinstance(one, Refusal))
    assert refusal.row == 5
    assert "one record of 0.3 MB: the limit is 0.1 MB" in refusal.line()


@EVERY_KIND
def test_a_changed_file_is_noticed(tmp_path, written, monkeypatch):
    path = written(tmp_path)
    item = item_of(path)
    verify(tmp_path, item)
    monkeypatch.setitem(globals(), "ROWS", [*ROWS[:-1], run_of("task-x")])
    written(tmp_path)
    with pytest.raises(SourceChangedError, match=f"{path.name}: changed since it was ingested"):
        verify(tmp_path, item)
    path.unlink()
    with pytest.raises(SourceChangedError, match="No such file"):
        verify(tmp_path, item)


def test_rows_added_to_json_lines_do_not_disturb_those_before(tmp_path):
    path = as_lines(tmp_path)
    item = item_of(path)
    with path.open("a") as file:
        file.write(json.dumps(run_of("late")) + "\n")
    verify(tmp_path, item)
    assert names(list(open_records(tmp_path, item))) == NAMES


def test_a_file_that_is_one_run_has_no_row(tmp_path):
    path = tmp_path / "task-1.traj.json"
    path.write_text(json.dumps(run_of("task-1")))
    (record,) = read(path)
    assert record == Record(run_of("task-1"), "task-1.traj.json", None)


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
    assert [(one.row, one.value["cost"]) for one in read(path)] == [(0, None), (2, 1)]


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
    first, refusal, last = read(path)
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert refusal.line().startswith(f"runs.jsonl, row 1: {reason}")


def test_an_array_cut_off_in_a_row_keeps_the_rows_before(tmp_path):
    path = as_array(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    found = read(path)
    assert names(found) == NAMES[:-1]
    assert found[-1].line().startswith("runs.json, row 49: truncated JSON")


def test_columns_of_real_data_sets(tmp_path, shared):
    """A Hugging Face row through Parquet is the row, with None for the keys it lacks."""
    raw = shared / "trajectories/hf-samples/nebius_SWE-agent-trajectories/sample_raw.json"
    rows = json.loads(raw.read_bytes())
    path = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert [one.value for one in read(path)] == rows
