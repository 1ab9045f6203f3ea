"""Rows in batches, under names that stay."""

import json
from collections.abc import Iterable

import pytest
import sqlalchemy as sa
from blake3 import blake3

from srft_assets.database.store import BATCHES, database_of
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import (
    LAB,
    Manifest,
    batch_names,
    manifest_digest,
    manifests,
    read_manifest,
    write_batch,
    write_manifests,
)
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
    assert write_batch(home, "lab-demo", LAB, {"count": 3})
    assert not write_batch(home, "lab-demo", LAB, {"count": 3})
    before = manifest_digest(home, "lab-demo")
    assert write_batch(home, "lab-demo", LAB, {"count": 4})
    assert manifest_digest(home, "lab-demo") != before
    with pytest.raises(UsageError, match="exists already and is not from files"):
        ingest(home, [write_runs(tmp_path / "lab-demo", ["a"])])
    ingest(home, [write_runs(tmp_path / "runs", ["a"])])
    with pytest.raises(UsageError, match="exists already, of kind files"):
        write_batch(home, "runs", LAB, {})


def test_a_batch_of_another_kind_keeps_its_number(home, tmp_path):
    write_batch(home, "runs-001", LAB, {"count": 3})
    folder = write_runs(tmp_path / "runs", ["a", "b", "c"])
    plan = ingest(home, [folder], batch_size=1)
    assert plan.batches == ("runs-000", "runs-002", "runs-003")
    assert ingest(home, [folder], batch_size=1).unchanged == plan.batches


def test_an_unknown_or_damaged_batch_is_one_clear_line(home):
    with pytest.raises(SrftError, match="no batch 'nope'"):
        read_manifest(home, "nope")
    with database_of(home).write() as connection:
        damaged = {"name": "torn", "number": 0, "manifest": '{"batch": "to'}
        connection.execute(sa.insert(BATCHES), damaged)
    with pytest.raises(SrftError, match=r"batch torn: damaged manifest .*ingest its runs again"):
        read_manifest(home, "torn")


def test_a_damaged_manifest_stops_no_other_batch_and_is_mended_by_ingesting_again(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    ingest(home, [folder])
    sound = read_manifest(home, "runs")
    with database_of(home).write() as connection:
        connection.execute(sa.update(BATCHES).values(manifest='{"batch": "ru'))
    assert ingest(home, [write_runs(tmp_path / "others", ["b"])]).new == ("others",)
    ingest(home, [folder])
    assert read_manifest(home, "runs") == sound


def test_batches_keep_the_order_of_their_registration(home):
    for name in ("b", "a", "c"):
        assert write_batch(home, name, LAB, {})
    assert write_batch(home, "b", LAB, {"count": 1})
    assert [one.batch for one in manifests(home)] == ["b", "a", "c"]
    assert batch_names(home) == ["a", "b", "c"]


def test_nothing_is_registered_where_one_of_several_is_refused(home):
    wrong = [Manifest(batch=name, family=name) for name in ("a", "../up")]
    with pytest.raises(UsageError, match="bad partition name"):
        write_manifests(home, wrong)
    assert batch_names(home) == []


def as_files(home: Home, held: Iterable[Manifest]) -> None:
    """The manifests as an earlier version kept them."""
    for number, one in enumerate(held):
        old = json.dumps({"version": 1, "registered": number, **one.model_dump(mode="json")})
        put(home.batches / f"{one.batch}.json", old)


def test_manifests_that_were_files_are_taken_over_in_their_order(home, tmp_path):
    other = Home(tmp_path / "other")
    ingest(other, [write_runs(tmp_path / "b", ["x", "y", "z"])], batch_size=2)
    write_batch(other, "a", LAB, {"count": 3})
    as_files(home, manifests(other))
    assert [one.batch for one in manifests(home)] == ["b-000", "b-001", "a"]
    assert content(home) == content(other)
    assert not home.batches.exists()
    assert len(list((home.root / "batches-taken-over").glob("*.json"))) == 3


def test_rows_of_an_array_that_an_earlier_version_hashed_are_read(home, tmp_path):
    path = put(tmp_path / "b.json", [run_of("x"), run_of("y")])
    ingest(home, [path])
    (one,) = manifests(home)
    start, end = 1, path.stat().st_size - 1
    old = blake3(path.read_bytes()[start:end]).hexdigest()
    rows = one.items[0].model_copy(update={"start": start, "end": end, "blake3": old})
    write_manifests(home, [one.model_copy(update={"items": (rows,)})])
    assert make(home, "b")[0]["instance_id"].to_list() == ["x", "y"]
    path.write_bytes(path.read_bytes().replace(b"Fix y", b"Mend y"))
    with pytest.raises(SourceChangedError, match="1 of 1 sources"):
        make(home, "b")


def test_a_takeover_that_was_killed_goes_on_and_changes_no_batch_that_is_there(home):
    write_batch(home, "a", LAB, {"count": 4})
    as_files(home, [Manifest(batch=b, kind="lab", family=b) for b in ("a", "b")])
    assert [one.batch for one in manifests(home)] == ["a", "b"]
    assert read_manifest(home, "a").settings == {"count": 4}


def test_a_damaged_file_is_named_and_takes_nothing_over(home):
    put(home.batches / "torn.json", '{"batch": "to')
    as_files(home, [Manifest(batch="a", kind="lab", family="a")])
    for _ in range(2):
        with pytest.raises(SrftError, match=r"torn\.json: damaged manifest"):
            batch_names(home)
    (home.batches / "torn.json").unlink()
    assert batch_names(home) == ["a"]
