"""A row keeps its batch, manifests are whole or absent, and nothing changes without a cause."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import (
    batch_names,
    manifest_digest,
    manifests,
    write_lab_batch,
)
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.manifest import read_manifest
from tests.trajectories.ingest_support import fingerprint, run_of, write_lines, write_runs


def content(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.batches.glob("*.json")}


def places(home: Home) -> dict[str, str]:
    """Run file, or file and rows → batch."""
    return {item.label: one.batch for one in manifests(home) for item in one.items}


def test_one_batch_takes_the_name_of_the_folder(home, tmp_path):
    plan = ingest(home, [write_runs(tmp_path / "my runs!", ["a", "b"])])
    assert plan.batches == plan.new == ("my-runs",)
    assert plan.rows == 2
    assert batch_names(home) == ["my-runs"]


@pytest.mark.parametrize("name", ["runs.jsonl", "runs.json", "runs.traj.json"])
def test_a_file_gives_its_name_without_suffix(home, tmp_path, name):
    path = write_lines(tmp_path / name, [run_of("a")])
    assert ingest(home, [path]).batches == ("runs",)


def test_many_runs_become_numbered_batches_in_path_order(home, tmp_path):
    folder = write_runs(tmp_path / "runs", [f"t{number}" for number in range(7)])
    plan = ingest(home, [folder], batch_size=3)
    assert plan.batches == ("runs-000", "runs-001", "runs-002")
    assert [one.rows for one in manifests(home)] == [3, 3, 1]
    assert places(home)["t0.json"] == "runs-000"
    assert places(home)["t6.json"] == "runs-002"


def test_rows_of_one_file_are_shared_out(home, tmp_path):
    path = write_lines(tmp_path / "runs.jsonl", [run_of(f"t{n}") for n in range(450)])
    plan = ingest(home, [path])
    assert plan.batches == ("runs-000", "runs-001", "runs-002")
    assert list(places(home)) == [
        "runs.jsonl rows 0-199",
        "runs.jsonl rows 200-399",
        "runs.jsonl rows 400-449",
    ]


def test_a_batch_closes_when_it_would_not_fit_into_memory(home, tmp_path, monkeypatch):
    monkeypatch.setattr("srft_assets.trajectories.drafts.BATCH_BYTES", 1000)
    folder = write_runs(tmp_path / "runs", ["a", "b", "c", "d"])
    assert (folder / "a.json").stat().st_size > 333
    ingest(home, [folder])
    assert [one.rows for one in manifests(home)] == [2, 2]


def test_the_same_files_again_change_nothing(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b", "c"])
    ingest(home, [folder], batch_size=2)
    before = content(home)
    times = [path.stat().st_mtime_ns for path in sorted(home.batches.glob("*.json"))]
    plan = ingest(home, [folder], batch_size=2)
    assert plan.unchanged == ("runs-000", "runs-001")
    assert (plan.new, plan.changed) == ((), ())
    assert content(home) == before
    assert [path.stat().st_mtime_ns for path in sorted(home.batches.glob("*.json"))] == times


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


def test_two_folders_of_one_name_do_not_mix(home, tmp_path):
    ingest(home, [write_runs(tmp_path / "x" / "runs", ["a"])])
    other = write_runs(tmp_path / "y" / "runs", ["b"])
    with pytest.raises(UsageError, match=r"batch runs holds runs of .*: give another name"):
        ingest(home, [other])
    assert ingest(home, [other], batch="others").new == ("others",)


def test_content_that_another_batch_holds_is_not_taken_again(home, tmp_path):
    ingest(home, [write_runs(tmp_path / "one", ["a", "b"])])
    both = write_runs(tmp_path / "two", ["b", "c"])
    plan = ingest(home, [both])
    assert plan.already == {"b.json": "one"}
    assert plan.batches == ("one", "two")
    assert plan.roles == {"already in another batch": 1, "runs": 1}
    assert places(home)["c.json"] == "two"
    assert "b.json" in places(home)


def test_nothing_new_makes_no_batch(home, tmp_path):
    folder = write_runs(tmp_path / "one", ["a"])
    ingest(home, [folder])
    assert ingest(home, [folder], batch="two").batches == ("one",)
    assert batch_names(home) == ["one"]


def test_a_stated_format_is_remembered(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    ingest(home, [folder], format="messages")
    assert ingest(home, [folder]).unchanged == ("runs",)
    assert ingest(home, [folder], format="auto").changed == ("runs",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "nope"}, "no format 'nope'; there are: auto, "),
        ({"batch": "../up"}, "bad partition name '../up'"),
    ],
)
def test_wrong_options(home, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        ingest(home, [write_runs(tmp_path / "runs", ["a"])], **options)


def test_wrong_paths(home, tmp_path):
    with pytest.raises(UsageError, match=r"no such file or folder: .*/nope"):
        ingest(home, [tmp_path / "nope"])
    (tmp_path / "void").mkdir()
    with pytest.raises(UsageError, match="no files below"):
        ingest(home, [tmp_path / "void"])
    with pytest.raises(UsageError, match="at least one"):
        ingest(home, [])


def test_the_digest_follows_runs_and_reports(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    report = folder / "a.report.json"
    report.write_text('{"a": {"resolved": true, "patch_exists": true}}')
    ingest(home, [folder])
    before = manifest_digest(home, "runs"), fingerprint(home, "runs")
    report.write_text('{"a": {"resolved": false, "patch_exists": true}}')
    plan = ingest(home, [folder])
    assert plan.unchanged == ("runs",)
    assert fingerprint(home, "runs") == before[1]
    assert manifest_digest(home, "runs") != before[0]


def test_lab_batches(home, tmp_path):
    assert write_lab_batch(home, "lab-demo", {"count": 3})
    assert not write_lab_batch(home, "lab-demo", {"count": 3})
    before = manifest_digest(home, "lab-demo")
    assert write_lab_batch(home, "lab-demo", {"count": 4})
    assert manifest_digest(home, "lab-demo") != before
    with pytest.raises(UsageError, match="exists already and is not from files"):
        ingest(home, [write_runs(tmp_path / "lab-demo", ["a"])])
    ingest(home, [write_runs(tmp_path / "runs", ["a"])])
    with pytest.raises(UsageError, match="exists already, of kind files"):
        write_lab_batch(home, "runs", {})


def test_an_unknown_or_damaged_batch_is_one_clear_line(home):
    with pytest.raises(SrftError, match="no batch 'nope'"):
        read_manifest(home, "nope")
    home.batches.mkdir(parents=True)
    (home.batches / "torn.json").write_text('{"batch": "to')
    with pytest.raises(SrftError, match=r"torn\.json: damaged manifest"):
        read_manifest(home, "torn")


INGEST = """
import sys
from pathlib import Path
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
print("ready", flush=True)
ingest(Home(Path(sys.argv[1])), [sys.argv[2]], batch_size=2)
"""


def test_killed_at_random_moments_ingest_loses_and_doubles_nothing(home, tmp_path):
    names = [f"t{number:02}" for number in range(40)]
    folder = write_runs(tmp_path / "runs", names)
    calm = Home(tmp_path / "calm")
    ingest(calm, [folder], batch_size=2)
    moments = random.Random(7)
    for _ in range(4):
        kill_soon(home, folder, moments.uniform(0.0, 0.05))
        for one in manifests(home):
            assert one == read_manifest(calm, one.batch)
    ingest(home, [folder], batch_size=2)
    assert content(home) == content(calm)
    assert not list(home.batches.glob(".*.tmp"))


def kill_soon(home: Home, folder: Path, after: float) -> None:
    argv = [sys.executable, "-c", INGEST, str(home.root), str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
