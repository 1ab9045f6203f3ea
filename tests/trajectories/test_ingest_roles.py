"""Every file that ingest finds has one role; what it refuses, it refuses with a true reason."""

import json
import os
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.ingest_plan import IngestPlan
from srft_assets.trajectories.manifest import Manifest, read_manifest
from srft_assets.trajectories.parse import outline
from srft_assets.trajectories.roles import RUN_KEYS, is_outlined_run, is_run
from tests.trajectories.ingest_support import run_of, write_runs

GRADED = {"patch_exists": True, "resolved": True, "tests_status": {}}


def put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def lines(plan: IngestPlan) -> list[str]:
    return [refusal.line() for refusal in plan.refusals]


def ingested(home: Home, folder: Path) -> tuple[IngestPlan, Manifest]:
    plan = ingest(home, [folder], batch="b")
    return plan, read_manifest(home, "b")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("README.md", "# Runs", "not a run: .md file"),
        ("args.yaml", "a: 1", "not a run: .yaml file"),
        ("fix.patch", "diff", "not a run: .patch file"),
        ("LICENSE", "MIT", "not a run: no known file type"),
        (".hidden.json", "{}", "not a run: hidden file"),
        ("runs.jsonl.gz", b"\x1f\x8b", "compressed (.gz): unpack it first"),
        ("a.json", "", "empty file"),
        ("a.json", " \n", "empty: no JSON value"),
        ("a.json", "[]", "empty list: no runs"),
        ("a.jsonl", "\n\n", "no readable row; row 0: empty: no JSON value"),
        (
            "a.traj",
            '{"trajectory": [{"role"',
            "truncated JSON: it ends after 23 bytes inside a value",
        ),
        (
            "a.traj.json",
            '[{"role": "user"',
            "truncated JSON: it ends after 15 bytes inside a value",
        ),
        ("a.json", b'{"a": "\xe9"}', "not UTF-8: byte 0xe9 at offset 7"),
        ("a.json", b'\xff\xfe{\x00"\x00', "not UTF-8: byte 0xff at offset 0"),
        ("a.json", "3", "row 0 is a number; a run is an object or a list of messages"),
        ("a.json", {"a": 1}, "unknown structure: an object with the fields 'a'"),
        ("a.parquet", b"PAR1", "broken parquet file: "),
        ("a.arrow", b"ARROW1", "broken arrow file: "),
        (
            "task.json",
            {"instance_id": "a", "FAIL_TO_PASS": [], "PASS_TO_PASS": []},
            "is a task or a test list, not a run",
        ),
    ],
)
def test_one_bad_file_is_one_line_and_the_rest_goes_on(home, tmp_path, name, content, reason):
    folder = write_runs(tmp_path / "runs", ["good"])
    put(folder / name, content)
    plan, manifest = ingested(home, folder)
    assert [line[: len(name) + 2 + len(reason)] for line in lines(plan)] == [f"{name}: {reason}"]
    assert "\n" not in lines(plan)[0]
    assert [item.path for item in manifest.items] == ["good.json"]
    assert [refused.path for refused in manifest.refused] == [name]
    assert plan.roles == {"refused": 1, "runs": 1}


def test_one_value_over_the_limit_is_refused_by_its_size_alone(home, tmp_path):
    """200 MB that are never read: the file is a hole in the disk."""
    folder = write_runs(tmp_path / "runs", ["good"])
    with (folder / "huge.json").open("wb") as file:
        file.write(b'{"messages": "')
        file.truncate(200 << 20)
    plan, _ = ingested(home, folder)
    (line,) = lines(plan)
    assert line.startswith("huge.json: one record of 200 MB: the limit is 64 MB")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*sorted(RUN_KEYS), "info", "\u00e9"]), JSON))
def test_an_object_is_a_run_by_its_outline_exactly_where_it_is_by_its_value(value):
    for text in (orjson.dumps(value), json.dumps(value, indent=1).encode()):
        assert is_outlined_run(outline(text)) == is_run(value)
        assert outline(text[:-1]) == outline(text + b"}") == outline(b"[" + text + b"]") == {}


def test_what_json_does_not_know_has_no_outline_and_is_parsed_instead(home, tmp_path):
    assert outline(b'{"messages": [], "cost": Infinity}') == {}
    folder = tmp_path / "runs"
    folder.mkdir()
    text = json.dumps({**run_of("a"), "cost": float("inf")})
    (folder / "a.json").write_text(text)
    plan, _ = ingested(home, folder)
    assert plan.roles == {"runs": 1}


def test_tables_are_told_by_their_columns(home, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([run_of("a")]), folder / "runs.parquet")
    pq.write_table(pa.table({"patch": ["x"]}), folder / "tasks.parquet")
    pq.write_table(pa.table({"messages": pa.array([], pa.string())}), folder / "none.parquet")
    plan, manifest = ingested(home, folder)
    assert [item.path for item in manifest.items] == ["runs.parquet"]
    assert lines(plan) == [
        "none.parquet: empty table: no rows",
        "tasks.parquet: a table without messages, trajectory or history; its columns: patch",
    ]


def test_a_dataset_saved_to_disk(home, tmp_path):
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "saved"
    rows = datasets.Dataset.from_list([run_of("a"), run_of("b")])
    datasets.DatasetDict({"train": rows}).save_to_disk(str(folder))
    plan, manifest = ingested(home, folder)
    assert [(item.layout, item.rows) for item in manifest.items] == [("arrow", 2)]
    assert plan.roles == {"evidence": 3, "runs": 1}


def test_grading_reports_of_every_shape(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    put(folder / "logs/a/report.json", GRADED)
    put(folder / "logs/b/report.json", {"b": GRADED})
    put(folder / "logs/b/test_output.txt", "ok")
    put(folder / "logs/b/patch.diff", "diff")
    put(folder / "a.report.json", {"a": GRADED})
    put(folder / "run.json", {"resolved_ids": ["a"], "schema_version": 2})
    put(folder / "old.json", {"resolved": ["a"], "no_generation": []})
    put(folder / "all.json", {"a": GRADED, "b": GRADED})
    plan, manifest = ingested(home, folder)
    assert plan.roles == {"evidence": 2, "report": 6, "runs": 2}
    found = {report.path: report for report in manifest.reports}
    assert found["logs/a/report.json"].instance_ids == ("a",)
    assert found["logs/b/report.json"].instance_ids == ("b",)
    assert found["a.report.json"].instance_ids == ("a",)
    assert found["run.json"].instance_ids == found["all.json"].instance_ids == ()
    evidence = [file.path for file in found["logs/b/report.json"].evidence]
    assert evidence == ["logs/b/patch.diff", "logs/b/test_output.txt"]


def test_a_report_goes_to_the_batch_of_its_run(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b", "c"])
    for name in ("a", "b", "c", "nobody"):
        put(folder / f"logs/{name}/report.json", GRADED)
    put(folder / "run.json", {"resolved_ids": ["a"]})
    plan = ingest(home, [folder], batch="b", batch_size=2)
    held = {
        batch: [report.path for report in read_manifest(home, batch).reports]
        for batch in plan.batches
    }
    assert held == {
        "b-000": [*(f"logs/{name}/report.json" for name in ("a", "b", "nobody")), "run.json"],
        "b-001": ["logs/c/report.json", "run.json"],
    }


def test_predictions_of_every_shape(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    one = {"instance_id": "a", "model_patch": "diff", "model_name_or_path": "m"}
    put(folder / "preds.json", {"a": one})
    put(folder / "list.json", [one])
    put(folder / "all_preds.jsonl", json.dumps(one) + "\n" + json.dumps(one))
    plan, manifest = ingested(home, folder)
    assert plan.roles == {"predictions": 3, "runs": 1}
    assert [file.path for file in manifest.predictions] == [
        "all_preds.jsonl",
        "list.json",
        "preds.json",
    ]


def test_of_the_llm_calls_of_a_run_the_last_is_the_run(home, tmp_path):
    folder = tmp_path / "runs"
    call = {**run_of("a"), "response": {"choices": []}}
    for time in ("999.5", "1000.25"):
        put(folder / f"llm_completions/a/claude-{time}.json", {**call, "timestamp": time})
    plan, manifest = ingested(home, folder)
    assert [item.path for item in manifest.items] == ["llm_completions/a/claude-1000.25.json"]
    assert lines(plan) == [
        "llm_completions/a/claude-999.5.json: an earlier LLM call of the run in "
        "llm_completions/a/claude-1000.25.json"
    ]


def test_links_pipes_and_hidden_folders(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    (folder / "loop").symlink_to(folder)
    (folder / "gone.json").symlink_to(tmp_path / "nowhere")
    (folder / "linked.json").symlink_to(put(tmp_path / "blob", run_of("b")))
    os.mkfifo(folder / "pipe.json")
    put(folder / ".git/config", "x")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.json")).write_text("{}")
    plan, manifest = ingested(home, folder)
    assert [item.path for item in manifest.items] == ["a.json", "linked.json"]
    assert lines(plan) == [
        ".git: hidden folder, not read",
        "\\udcff.json: file name is not UTF-8: rename the file",
        "gone.json: broken link: No such file or directory",
        "loop: link to a folder, not followed: give its target as a path of its own",
        "pipe.json: not a regular file (pipe, socket or device)",
    ]


def test_a_named_format_takes_files_that_look_like_nothing(home, tmp_path):
    folder = tmp_path / "runs"
    put(folder / "odd.json", {"chat": []})
    assert ingest(home, [folder], batch="b").rows == 0
    assert ingest(home, [folder], batch="b", format="messages").rows == 1


def test_a_batch_of_nothing_but_refusals_keeps_them(home, tmp_path):
    put(tmp_path / "runs/README.md", "x")
    plan, manifest = ingested(home, tmp_path / "runs")
    assert plan.batches == ("b",)
    assert (manifest.rows, len(manifest.refused)) == (0, 1)


def test_mini_swe_agent_runs(home, shared):
    plan = ingest(home, [shared / "trajectories/mini-swe-agent-v1"], batch="mini")
    assert plan.rows == 60
    assert plan.roles == {"predictions": 1, "refused": 1, "report": 60, "runs": 60}
    assert [refusal.source for refusal in plan.refusals] == ["manifest.json"]


def test_openhands_runs(home, shared):
    plan = ingest(home, [shared / "trajectories/openhands-v0.15"])
    assert plan.batches == ("openhands-v0.15",)
    assert plan.rows == 25
    assert plan.roles == {"refused": 1, "report": 24, "runs": 25}


@pytest.mark.parametrize("folder", ["trajectories", "harness-logs", "tasks"])
def test_every_real_file_is_accounted_for_once(home, shared, folder):
    plan = ingest(home, [shared / folder], batch="b")
    manifest = read_manifest(home, "b")
    told = [
        *{item.path for item in manifest.items},
        *(file.path for file in manifest.predictions),
        *(one.path for one in manifest.refused),
        *(one.path for one in manifest.reports),
        *(file.path for one in manifest.reports for file in one.evidence),
    ]
    real = {
        str(p.relative_to(shared / folder)) for p in (shared / folder).rglob("*") if p.is_file()
    }
    assert sorted(told) == sorted(real)
    assert sum(plan.roles.values()) == len(real)


def test_real_refusals_say_what_the_file_is(home, shared):
    plan = ingest(home, [shared / "trajectories"], batch="b")
    told = {refusal.source: refusal.reason for refusal in plan.refusals}
    assert len(told) == 22
    smith = "swe-smith-fixtures/tests/test_logs"
    assert "normalised form" in told["hf-samples/swe-smith/sample_std.json"]
    assert "line of a manifest" in told["mini-swe-agent-v1/manifest.json"]
    assert told[f"{smith}/run_validation/report.json"] == "is a task or a test list, not a run"
    assert told["hf-samples/NOTES.md"] == "not a run: .md file"
