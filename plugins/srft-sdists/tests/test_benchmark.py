"""`benchmarks/local_grader.py` on a small project: both sets, beside their official labels."""

import json
import runpy
from pathlib import Path

import polars as pl
import pytest
from small_project import RIGHT, World, edit


def test_agreement_is_counted_and_a_second_run_only_counts(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = world.task.model_dump(mode="json", by_alias=True)
    other = {**task, "instance_id": "demo__adder-8"}
    one, two = task["instance_id"], other["instance_id"]
    patches = {one: {"model_patch": RIGHT}, two: {"model_patch": edit("    return a * b")}}
    labels = [{"instance_id": one, "resolved": True}, {"instance_id": two, "resolved": True}]
    recorded = [{"instance_id": one, "valid": True}, {"instance_id": two, "valid": False}]
    sdists, runs = tmp_path / "tasks/swe-bench-from-sdists", tmp_path / "trajectories"
    for path, content in (
        (sdists / "runs_py311.json", recorded),
        (runs / "mini-swe-agent-v1/preds.json", patches),
        (runs / "mini-swe-agent-v1/manifest.json", labels),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    table = tmp_path / "tasks/swe-bench/swe_bench_verified.parquet"
    table.parent.mkdir()
    rows = [{name: cell for name, cell in row.items() if cell != {}} for row in (task, other)]
    pl.DataFrame(rows).write_parquet(table)

    def told() -> dict:
        argv = ["local_grader", str(tmp_path), str(world.home.root), "--list"]
        monkeypatch.setattr("sys.argv", argv)
        runpy.run_module("benchmarks.local_grader", run_name="__main__")
        return json.loads(capsys.readouterr().out)

    first = told()
    assert (first["gold"]["graded"], first["gold"]["agree"]) == (1, 1), first
    assert (first["agent"]["graded"], first["agent"]["agree"]) == (2, 1), first
    assert first["agent"]["disagree"] == [two]
    assert len(first["rows"]) == 3
    assert told() == first
