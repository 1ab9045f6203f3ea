"""Every file that ingest finds has one role."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srft_assets.trajectories.batches import read_manifest
from srft_assets.trajectories.formats import READERS, chat_datasets
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.reader import Reader
from tests.trajectories.ingest_support import (
    ingested,
    put,
    refused_lines,
    run_of,
    write_lines,
    write_runs,
)

GRADED = {"patch_exists": True, "resolved": True, "tests_status": {}}


def test_tables_are_told_by_their_columns(home, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([run_of("a")]), folder / "runs.parquet")
    pq.write_table(pa.table({"patch": ["x"]}), folder / "tasks.parquet")
    pq.write_table(pa.table({"messages": pa.array([], pa.string())}), folder / "none.parquet")
    plan, manifest = ingested(home, folder)
    assert [item.path for item in manifest.items] == ["runs.parquet"]
    assert refused_lines(plan) == [
        "none.parquet: empty table: no rows",
        "tasks.parquet: a table without messages, trajectory or history; its columns: patch",
    ]


OWN = Reader(
    "own",
    lambda record, hint: "chat" in record,
    lambda record, source: chat_datasets.read_row({"messages": record["chat"]}, source, "own", {}),
    run_keys=("chat",),
)
"""A reader of rows whose runs lie in a field of its own."""


def test_a_reader_may_name_a_field_of_its_own(home, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    rows = [{"chat": run_of(name)["messages"], "id": name} for name in "ab"]
    put(folder / "one.json", rows[0])
    write_lines(folder / "rows.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), folder / "table.parquet")
    assert ingest(home, [folder], batch="b").roles == {"refused": 3}
    monkeypatch.setitem(READERS, OWN.name, OWN)
    plan, _ = ingested(home, folder)
    assert plan.roles == {"runs": 3}


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


def test_a_report_that_names_its_instance_goes_to_its_run_wherever_it_lies(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a", "b"])
    put(folder / "graded.json", {"instance_id": "b", **GRADED})
    plan = ingest(home, [folder], batch="b", batch_size=1)
    held = [read_manifest(home, batch).reports for batch in plan.batches]
    assert [[report.path for report in found] for found in held] == [[], ["graded.json"]]


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
    answer = {"role": "assistant", "content": "Done."}
    call = {**run_of("a"), "response": {"choices": [{"message": answer}]}}
    for time in ("999.5", "1000.25"):
        put(folder / f"llm_completions/a/claude-{time}.json", {**call, "timestamp": time})
    plan, manifest = ingested(home, folder)
    assert [item.path for item in manifest.items] == ["llm_completions/a/claude-1000.25.json"]
    assert refused_lines(plan) == [
        "llm_completions/a/claude-999.5.json: an earlier LLM call of the run in "
        "llm_completions/a/claude-1000.25.json"
    ]
