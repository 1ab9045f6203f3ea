"""The `trajectories` partition: what the manifest says, or nothing."""

import json

import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.trajectories.batches import LAB, batch_names, write_batch
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.model import TRAJECTORIES, from_row
from srft_assets.trajectories.sources import SourceChangedError
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import run_query
from tests.trajectories.ingest_support import fingerprint, make, run_of, write_lines, write_runs


def refusals(stamp) -> list[str]:
    return [refusal.line() for refusal in stamp.refused]


def ids(home: Home, batch: str) -> list[str]:
    return Warehouse(home.warehouse).read("trajectories", batch)["instance_id"].to_list()


def test_the_stage_names_what_decides_it():
    stage = trajectories_stage()
    assert (stage.key, stage.partitioned_by, stage.upstream) == ("trajectories", "batch", ())
    assert stage.schema == TRAJECTORIES
    assert set(stage.code) == {"version", "readers"}


def test_real_mini_runs(home, shared):
    ingest(home, [shared / "trajectories/mini-swe-agent-v1"], batch="mini")
    frame, stamp = make(home, "mini")
    assert frame.height == stamp.rows == 60
    assert frame["trajectory_id"].n_unique() == 60
    assert frame["scaffold"].unique().to_list() == ["mini-swe-agent"]
    assert frame["batch"].unique().to_list() == ["mini"]
    run = from_row(frame.row(0, named=True))
    assert run.source == f"trajs/{run.instance_id}.traj.json"
    assert [step.step_index for step in run.steps] == list(range(len(run.steps)))
    assert len(refusals(stamp)) == 1


def test_real_openhands_runs(home, shared):
    ingest(home, [shared / "trajectories/openhands-v0.15"])
    frame, _ = make(home, "openhands-v0.15")
    assert frame.height == 25


def test_of_all_real_runs_every_file_gives_rows_or_a_refusal(home, shared):
    plan = ingest(home, [shared / "trajectories"])
    frame, stamp = make(home, "trajectories")
    runs = set(frame["source"]) | {refusal.source for refusal in stamp.refused}
    assert plan.batches == ("trajectories",)
    assert frame.height + len(stamp.refused) - len(plan.refusals) == plan.rows == 163
    assert len(runs) == plan.roles["runs"] + plan.roles["refused"]


def test_made_twice_it_is_the_same(home, tmp_path):
    ingest(home, [write_runs(tmp_path / "runs", ["b", "a"])])
    (frame, first), (again, second) = make(home, "runs"), make(home, "runs")
    assert frame.equals(again)
    assert (first.data_version, first.fingerprint) == (second.data_version, second.fingerprint)


def test_bad_rows_end_in_the_stamp_and_the_rest_goes_on(home, tmp_path):
    bad = run_of("bad")
    bad["messages"][2]["role"] = "oracle"
    wrong = run_of("wrong")
    wrong["messages"] = 7
    silent = run_of("silent", turns=0)
    path = tmp_path / "runs.jsonl"
    write_lines(path, [run_of("a"), bad, wrong, silent, run_of("b"), run_of("a"), ["x"], None])
    with path.open("ab") as file:
        file.write(b'{"messages": [{"role": "us\n' + b'{"messages": "\xff"}\n')
    ingest(home, [path])
    frame, stamp = make(home, "runs")
    assert ids(home, "runs") == ["a", "b"]
    starts = [
        "row 1: unknown role 'oracle'",
        "row 2: ",
        "row 3: no assistant turn",
        f"row 5: duplicate run {frame['trajectory_id'][0]}: the first is runs.jsonl, row 0",
        "row 6: unknown structure: a list whose first entry is text",
        "row 7: the record is null",
        "row 8: truncated JSON",
        "row 9: not UTF-8: byte 0xff at offset 14",
    ]
    found = refusals(stamp)
    assert len(found) == len(starts)
    for line, start in zip(found, starts, strict=True):
        assert line.startswith(f"runs.jsonl, {start}"), line
    assert stamp.refused[0].subject == "bad"


def test_one_run_in_three_renderings_is_counted_once(home, tmp_path):
    """SWE-smith's sets `xml`, `tool` and `ticks` hold the same runs, each in its own words."""
    for name in ("ticks", "tool", "xml"):
        run = {**run_of("a"), "traj_id": "a.1", "resolved": True}
        run["messages"][2]["content"] += name
        write_lines(tmp_path / f"runs/{name}.jsonl", [run])
    write_lines(tmp_path / "more/xml.jsonl", [run])
    ingest(home, [tmp_path / "runs"], batch="all")
    ingest(home, [tmp_path / "more"], batch="more")
    assert [make(home, name)[0].height for name in ("all", "more")] == [1, 1]
    build_catalogue(home, SCHEMAS)
    assert run_query(home, "SELECT batch, source FROM trajectories").rows() == [
        ("all", "ticks.jsonl")
    ]
    found = run_query(home, "SELECT batch, source, duplicate_of, original FROM duplicates")
    assert found.rows() == [
        ("all", "tool.jsonl", "all", "ticks.jsonl"),
        ("all", "xml.jsonl", "all", "ticks.jsonl"),
        ("more", "xml.jsonl", "all", "ticks.jsonl"),
    ]


def test_a_step_without_an_action_is_a_step(home, tmp_path):
    run = run_of("a")
    run["messages"][2]["content"] = "I only think."
    ingest(home, [write_lines(tmp_path / "runs.jsonl", [run])])
    frame, stamp = make(home, "runs")
    steps = from_row(frame.row(0, named=True)).steps
    assert (steps[0].thought, steps[0].actions) == ("I only think.", [])
    assert len(steps) == 2
    assert refusals(stamp) == []


def test_a_folder_of_mixed_formats(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    write_lines(folder / "more.jsonl", [run_of("b"), run_of("c")])
    (folder / "chat.traj.json").write_text(json.dumps(run_of("d")["messages"]))
    (folder / "README.md").write_text("x")
    ingest(home, [folder])
    frame, stamp = make(home, "runs")
    assert frame["source"].to_list() == ["a.json", "chat.traj.json", "more.jsonl", "more.jsonl"]
    assert refusals(stamp) == ["README.md: not a run: .md file"]


def test_a_huge_patch_is_refused_by_its_row(home, tmp_path):
    fat = {**run_of("fat"), "patch": "+" * (70 << 20)}
    ingest(home, [write_lines(tmp_path / "runs.jsonl", [run_of("a"), fat, run_of("b")])])
    _, stamp = make(home, "runs")
    assert ids(home, "runs") == ["a", "b"]
    (line,) = refusals(stamp)
    assert line.startswith("runs.jsonl, row 1: one record of 70 MB: the limit is 64 MB")


def test_a_source_that_changed_after_ingest_stops_the_making(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    ingest(home, [folder])
    make(home, "runs")
    (folder / "a.json").write_text(json.dumps(run_of("a", turns=3)))
    (folder / "b.json").unlink()
    with pytest.raises(SourceChangedError) as stopped:
        make(home, "runs")
    assert str(stopped.value).startswith(
        "batch runs: 2 of 2 sources are not as they were ingested (a.json: changed since"
    )
    assert f"srft ingest {folder} --batch runs" in str(stopped.value)
    assert ids(home, "runs") == ["a", "b"]


def test_deleted_sources_leave_the_partition_in_sync(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    ingest(home, [folder])
    _, stamp = make(home, "runs")
    (folder / "a.json").unlink()
    assert fingerprint(home, "runs") == stamp.fingerprint
    assert ids(home, "runs") == ["a"]


def test_a_run_that_another_batch_holds_too_is_kept_in_both(home, tmp_path):
    for batch, names in (("z", ["shared"]), ("a", ["shared", "own"])):
        ingest(home, [write_lines(tmp_path / f"{batch}.jsonl", map(run_of, names))], batch=batch)
        _, stamp = make(home, batch)
        assert refusals(stamp) == []
    assert (ids(home, "z"), ids(home, "a")) == (["shared"], ["shared", "own"])


def test_a_collector_makes_the_runs_of_its_kind(home):
    def collect(work, settings):
        folder = write_runs(work.home.runs / work.partition, [])
        for number in range(settings["count"]):
            name = f"task-{number}"
            (folder / f"{name}.traj.json").write_text(json.dumps(run_of(name)))
        (folder / "torn.traj.json").write_text("{")
        (folder / "tasks.jsonl").write_text("{}\n")
        return folder

    write_batch(home, "lab-demo", LAB, {"count": 2})
    frame, stamp = make(home, "lab-demo", {"lab": collect})
    assert batch_names(home) == ["lab-demo"]
    assert frame["source"].to_list() == ["task-0.traj.json", "task-1.traj.json"]
    (line,) = refusals(stamp)
    assert line.startswith("torn.traj.json: truncated JSON")
    with pytest.raises(SrftError, match="of kind 'lab'; this platform knows: files"):
        make(home, "lab-demo")


def test_a_lab_batch_follows_the_code_of_its_collector(home):
    write_batch(home, "lab-demo", LAB, {"count": 2})
    configs = [
        trajectories_stage({"lab": make}, {"lab": code}).config_of(home, "lab-demo")
        for code in ("1", "1", "2")
    ]
    assert configs[0] == configs[1] != configs[2]
