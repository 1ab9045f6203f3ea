"""A batch in parts: nothing between them is lost or read twice."""

import json
import resource
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.home import Home
from srft_assets.trajectories import parts
from srft_assets.trajectories.helper import Helper, HelperError
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.manifest import Item, read_manifest
from srft_assets.trajectories.parts import fetched, parts_of, read_there
from srft_assets.trajectories.rows import Reading, read, reading_of
from tests.trajectories.ingest_support import run_of


@pytest.fixture
def reading(tmp_path) -> Reading:
    """Forty runs in lines, some of them blank or broken."""
    rows = [json.dumps(run_of(f"task-{n}", turns=n % 5 + 1)) for n in range(40)]
    rows[3], rows[30], rows[35] = "{torn", "", '{"messages": 3}'
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(rows))
    home = Home(tmp_path / "home")
    ingest(home, [path], batch="b")
    return reading_of(read_manifest(home, "b"))


@pytest.mark.parametrize("size", [1, 700, 5_000, 1 << 20])
def test_the_parts_together_are_the_whole(reading, monkeypatch, size):
    monkeypatch.setattr(parts, "PART_BYTES", size)
    cut = parts_of(reading)
    frames, refused = zip(*(read(part) for part in cut), strict=True)
    frame, refusals = read(reading)
    assert pl.concat(frames).equals(frame)
    assert [one for part in refused for one in part] == refusals
    assert (len(cut) == 1) == (size == 1 << 20)


@given(
    lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b" ")), min_size=1),
    size=st.integers(1, 60),
    ended=st.booleans(),
)
def test_cuts_lie_between_lines_and_count_them(tmp_path_factory, lines, size, ended):
    text = b"\n".join(lines) + (b"\n" if ended or not lines[-1] else b"")
    path = tmp_path_factory.mktemp("cut") / "x.jsonl"
    path.write_bytes(text)
    rows = text.count(b"\n") + (not text.endswith(b"\n"))
    item = lines_item(path, rows, len(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_BYTES", size)
        cut = [
            one for part in parts_of(Reading(path.parent, "b", None, (item,))) for one in part.items
        ]
    assert b"".join(text[one.start : one.end] for one in cut) == text
    assert sum(one.rows for one in cut) == rows
    for one in cut:
        assert one.first_row == text[: one.start].count(b"\n")
        assert one.start == 0 or text[one.start - 1 : one.start] == b"\n"


def test_a_cut_holds_no_line(tmp_path):
    size = 40 << 20
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"{" * size + b"\n{}\n")
    reading = Reading(tmp_path, "b", None, (lines_item(path, 2, size + 4),))
    tracemalloc.start()
    try:
        ends = [part.items[0].end for part in parts_of(reading)]
        assert tracemalloc.get_traced_memory()[1] < size / 10
    finally:
        tracemalloc.stop()
    assert ends == [size + 1, size + 4]


def lines_item(path: Path, rows: int, size: int) -> Item:
    return Item(
        path=path.name,
        layout="lines",
        rows=rows,
        end=size,
        bytes=size,
        blake3="",
        file_blake3="",
        size=size,
        mtime_ns=0,
        ctime_ns=0,
    )


def test_small_files_share_a_part_and_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 100)
    sizes = [40, 40, 40, 500, 10, 90]
    items = tuple(
        replace_size(lines_item(Path(f"{n}.json"), 1, size)) for n, size in enumerate(sizes)
    )
    cut = parts_of(Reading(tmp_path, "b", None, items))
    assert [[one.bytes for one in part.items] for part in cut] == [[40, 40], [40], [500], [10, 90]]
    assert parts_of(replace(cut[0], items=())) == [replace(cut[0], items=())]


def replace_size(item: Item) -> Item:
    return item.model_copy(update={"layout": "object"})


def test_rows_from_another_process_are_the_same_and_leave_no_file(reading, tmp_path):
    folder = tmp_path / "handed"
    folder.mkdir()
    sent = read_there(reading, folder)
    frame, refused = fetched(sent)
    alone, refused_alone = read(reading)
    assert list(folder.iterdir()) == []
    assert frame.equals(alone)
    assert refused == refused_alone
    with pytest.raises(OSError):
        fetched(sent)


def test_rows_for_which_there_is_no_room_leave_no_file(reading, tmp_path):
    folder = tmp_path / "handed"
    folder.mkdir()
    helper = Helper(folder)
    try:
        helper.call(partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1000, 1000)))
        with pytest.raises(HelperError):
            helper.call(partial(read_there, reading, folder))
        assert list(folder.iterdir()) == []
    finally:
        helper.end()
