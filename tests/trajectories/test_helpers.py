"""Processes that read along: nobody can tell, whatever becomes of them."""

import os
from functools import partial

import pytest

from srft_assets.home import Home
from srft_assets.trajectories import ahead, helpers, parts
from srft_assets.trajectories.helper import Helper, HelperError
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.content import data_version
from tests.trajectories.ingest_support import doubled_files, doubled_lines, make, wait_for


@pytest.fixture
def two(monkeypatch):
    """A second process, ready, for batches of any size."""
    monkeypatch.setattr(helpers, "LARGE_BYTES", 0)
    monkeypatch.setattr(helpers, "_cores", lambda: 2)
    monkeypatch.setattr(parts, "PART_BYTES", 1_000)
    wait_for(lambda: helpers.helpers_for(1) is not None)
    yield helpers.ready()
    helpers.end_helpers()


@pytest.mark.parametrize(
    ("source", "name"), [(doubled_lines, "runs.jsonl"), (doubled_files, "runs")]
)
def test_rows_and_refusals_are_those_of_one_process(two, tmp_path, monkeypatch, source, name):
    path = source(tmp_path / "source" / name)
    together, alone = Home(tmp_path / "together"), Home(tmp_path / "alone")
    for home in (together, alone):
        ingest(home, [path], batch="b")
    asked = []
    monkeypatch.setattr(ahead, "fetched", lambda sent: asked.append(sent) or parts.fetched(sent))
    frame, stamp = make(together, "b")
    assert asked, "the other process read a part"
    monkeypatch.setattr(ahead, "helpers_for", lambda *size: None)
    frame_alone, stamp_alone = make(alone, "b")
    assert frame.equals(frame_alone)
    assert data_version(frame) == stamp_alone.data_version
    assert stamp.refused == stamp_alone.refused
    assert any("duplicate run" in refusal.reason for refusal in stamp.refused)
    assert list(two.folder.iterdir()) == []


def test_parts_that_nobody_finishes_are_read_here(two, tmp_path):
    home = Home(tmp_path / "home")
    ingest(home, [doubled_lines(tmp_path / "runs.jsonl")], batch="b")
    two.all[0].process.kill()
    frame, _ = make(home, "b")
    assert frame["trajectory_id"].n_unique() == frame.height > 5


def test_a_call_that_fails_there_says_so_and_the_next_is_answered(tmp_path):
    helper = Helper(tmp_path)
    try:
        with pytest.raises(HelperError, match="No such file"):
            helper.call(partial(os.stat, tmp_path / "absent"))
        assert helper.call(os.getpid) == helper.process.pid
    finally:
        helper.end()


def test_what_a_call_prints_is_no_answer(tmp_path):
    helper = Helper(tmp_path)
    try:
        assert helper.call(partial(print, "a library speaks")) is None
        assert helper.call(os.getpid) == helper.process.pid
    finally:
        helper.end()


def test_no_code_of_the_folder_it_is_started_in_is_run(tmp_path, monkeypatch):
    here = tmp_path / "downloaded"
    here.mkdir()
    (here / "polars.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(here)
    helper = Helper(tmp_path / "rows")
    try:
        assert helper.call(os.getpid) == helper.process.pid
    finally:
        helper.end()
    assert not (tmp_path / "run").exists()
