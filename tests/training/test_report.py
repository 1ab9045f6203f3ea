"""What a training tells Dagster through Pipes, in the files that Pipes itself reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

from dagster_pipes import encode_param

SCRIPT = """
from srft_assets.training.report import telling
with telling() as told:
    for step in range(1, 101):
        told.step(step, 100, 1 / step)
    told.curve([{"step": 100, "loss": 0.01}])
"""
CONTEXT = {
    "asset_keys": ["checkpoints/srft"],
    "code_version_by_asset_key": {},
    "provenance_by_asset_key": {},
    "partition_key": "0",
    "partition_key_range": None,
    "partition_time_window": None,
    "run_id": "run",
    "job_name": "job",
    "retry_number": 0,
    "extras": {},
}


def run(env: dict[str, str]) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_progress_lines_without_dagster() -> None:
    lines = run({})
    assert len(lines) == 100
    assert lines[-1] == {"step": 100, "of": 100, "loss": 0.01}


def test_pipes_get_a_log_line_now_and_then_and_the_curve(tmp_path: Path) -> None:
    (tmp_path / "context").write_text(json.dumps(CONTEXT))
    (tmp_path / "messages").touch()
    env = {
        "DAGSTER_PIPES_CONTEXT": encode_param({"path": str(tmp_path / "context")}),
        "DAGSTER_PIPES_MESSAGES": encode_param({"path": str(tmp_path / "messages")}),
    }
    assert len(run(env)) == 100
    messages = [json.loads(line) for line in (tmp_path / "messages").read_text().splitlines()]
    logs = [m["params"]["message"] for m in messages if m["method"] == "log"]
    assert len(logs) == 20
    assert logs[-1] == "step 100 of 100: loss 0.0100"
    (custom,) = [m for m in messages if m["method"] == "report_custom_message"]
    assert custom["params"]["payload"] == {"loss_curve": [{"step": 100, "loss": 0.01}]}
