"""Ingested again, a row keeps its batch, and nothing changes without a cause."""

import os
import shutil

import pytest

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import batch_names, manifests, read_manifest, written_ns
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.sources import SourceChangedError
from tests.trajectories.ingest_support import (
    content,
    fingerprint,
    make,
    places,
    put,
    run_of,
    write_lines,
    write_runs,
)


def test_the_same_files_again_change_nothing(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b", "c"])
    ingest(home, [folder], batch_size=2)
    before = content(home)
    times = written_ns(home)
    plan = ingest(home, [folder], batch_size=2)
    assert plan.unchanged == ("runs-000", "runs-001")
    assert (plan.new, plan.changed) == ((), ())
    assert content(home) == before
    assert len(times) == 2 and written_ns(home) == times


def test_a_changed_file_makes_its_batch_stale_and_no_other(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b", "c"])
    ingest(home, [folder], batch_size=2)
    before = {batch: fingerprint(home, batch) for batch in batch_names(home)}
    text = (folder / "c.json").read_text()
    (folder / "c.json").write_text(text.replace("Fix c", "Fix C"))
    plan = ingest(home, [folder], batch_size=2)
    assert (plan.changed, plan.unchanged) == (("runs-001",), ("runs-000",))
    assert fingerprint(home, "runs-000") == before["runs-000"]
    assert fingerprint(home, "runs-001") != before["runs-001"]


def test_a_new_file_fills_the_last_batch_and_moves_nothing(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["b", "c", "d"])
    ingest(home, [folder], batch_size=2)
    before = places(home)
    write_runs(folder, ["a", "e"])
    plan = ingest(home, [folder], batch_size=2)
    assert places(home) == {**before, "a.json": "runs-001", "e.json": "runs-002"}
    assert (plan.new, plan.changed, plan.unchanged) == (("runs-002",), ("runs-001",), ("runs-000",))


def test_rows_added_to_a_file_change_its_last_batch_only(home, tmp_path):
    rows = [run_of(f"t{number}") for number in range(5)]
    path = write_lines(tmp_path / "runs.jsonl", rows)
    ingest(home, [path], batch_size=2)
    write_lines(path, [*rows, run_of("t5"), run_of("t6")])
    plan = ingest(home, [path], batch_size=2)
    assert plan.unchanged == ("runs-000", "runs-001")
    assert (plan.changed, plan.new) == (("runs-002",), ("runs-003",))
    assert sum(one.rows for one in manifests(home)) == 7


def test_rows_cut_from_a_file_leave_their_batches(home, tmp_path):
    rows = [run_of(f"t{number}") for number in range(5)]
    path = write_lines(tmp_path / "runs.jsonl", rows)
    ingest(home, [path], batch_size=2)
    write_lines(path, rows[:3])
    ingest(home, [path], batch_size=2)
    assert [one.rows for one in manifests(home)] == [2, 1, 0]


def test_a_deleted_file_leaves_at_the_next_ingest_and_is_told(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    ingest(home, [folder])
    (folder / "a.json").unlink()
    plan = ingest(home, [folder])
    assert plan.removed == ("a.json",)
    assert places(home) == {"b.json": "runs"}


def test_a_file_that_is_gone_before_it_is_looked_at_is_refused(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    ingest(home, [folder])
    (folder / "a.json").touch()
    plan = ingest(home, [folder], tell=lambda done, files: (folder / "a.json").unlink(done > 0))
    assert [one.line() for one in plan.refusals] == [
        "a.json: file cannot be read: No such file or directory"
    ]
    assert plan.removed == ("a.json",) and plan.rows == 1


def test_files_that_were_not_asked_for_stay(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    ingest(home, [folder / "a.json"], batch="mine")
    ingest(home, [folder / "b.json"], batch="mine")
    assert places(home) == {"a.json": "mine", "b.json": "mine"}


def test_a_moved_folder_is_not_stale(home, tmp_path):
    folder = write_runs(tmp_path / "here" / "runs", ["a", "b"])
    ingest(home, [folder])
    before = fingerprint(home, "runs")
    there = folder.rename(tmp_path / "runs")
    os.utime(there / "a.json")
    plan = ingest(home, [there])
    assert plan.unchanged == ("runs",)
    assert fingerprint(home, "runs") == before
    assert read_manifest(home, "runs").root == str(there)


def test_the_same_bytes_under_a_new_name_are_the_source_of_their_batch(home, tmp_path):
    folder = write_runs(tmp_path / "old", ["a", "b", "c"])
    ingest(home, [folder], batch_size=2)
    there = folder.rename(tmp_path / "new")
    write_runs(there, ["d"])
    plan = ingest(home, [there], batch_size=2)
    assert plan.batches == ("old-000", "old-001") and plan.changed == ("old-001",)
    assert {one.root for one in manifests(home)} == {str(there)}
    make(home, "old-000")


def test_a_copy_and_other_bytes_are_batches_of_their_own(home, tmp_path):
    folder = write_runs(tmp_path / "old", ["a"])
    ingest(home, [folder])
    assert ingest(home, [write_runs(tmp_path / "copy", ["a"])]).new == ("copy",)
    shutil.rmtree(folder)
    assert ingest(home, [write_runs(tmp_path / "other", ["z"])]).new == ("other",)


def test_what_lies_in_the_home_moves_with_it(home, tmp_path):
    ingest(home, [write_runs(home.inbox / "runs", ["a", "b"])])
    before = fingerprint(home, "runs")
    moved = Home(home.root.rename(tmp_path / "moved"))
    assert read_manifest(moved, "runs").root == str(moved.inbox / "runs")
    assert ingest(moved, [moved.inbox / "runs"]).unchanged == ("runs",)
    make(moved, "runs")
    assert fingerprint(moved, "runs") == before


def test_reports_that_moved_are_attached_once(home, tmp_path):
    ingest(home, [write_runs(tmp_path / "runs", ["a"])])
    report = put(tmp_path / "graded" / "results.json", {"resolved_ids": ["a"]})
    ingest(home, [report.parent], batch="runs")
    there = report.parent.rename(tmp_path / "there")
    ingest(home, [there], batch="runs")
    assert [ref.root for ref in read_manifest(home, "runs").reports] == [str(there)]


@pytest.mark.parametrize("kept", [True, False])
def test_a_lost_source_is_told_with_what_can_help(home, tmp_path, kept):
    folder = write_runs(tmp_path / "runs", ["a"])
    ingest(home, [folder])
    shutil.rmtree(folder)
    if kept:
        folder.mkdir()
    helps = f"run: srft ingest {folder} " if kept else "say where it is: srft ingest FOLDER "
    with pytest.raises(SourceChangedError, match=helps + "--batch runs"):
        make(home, "runs")


def test_two_folders_of_one_name_do_not_mix(home, tmp_path):
    ingest(home, [write_runs(tmp_path / "x" / "runs", ["a"])])
    other = write_runs(tmp_path / "y" / "runs", ["b"])
    with pytest.raises(UsageError, match=r"batch runs holds runs of .*: give another name"):
        ingest(home, [other])
    assert ingest(home, [other], batch="others").new == ("others",)


def test_content_that_another_batch_holds_is_kept_in_both(home, tmp_path):
    ingest(home, [write_runs(tmp_path / "one", ["a", "b"])])
    plan = ingest(home, [write_runs(tmp_path / "two", ["b", "c"])])
    assert (plan.new, plan.roles) == (("two",), {"runs": 2})
    assert [len(one.items) for one in manifests(home)] == [2, 2]


def test_a_stated_format_is_remembered(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    ingest(home, [folder], format="messages")
    assert ingest(home, [folder]).unchanged == ("runs",)
    assert ingest(home, [folder], format="auto").changed == ("runs",)
