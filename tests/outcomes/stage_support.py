"""Runs and reports as they lie in a folder, and what a batch of them becomes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.home import Home
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.partitions import Warehouse


def counts(frame: pl.DataFrame) -> dict[str, int]:
    return dict(Counter(frame["status"].to_list()))


def write_run(folder: Path, name: str, instance: str, patch: str | None, **info: Any) -> None:
    """A run as mini-swe-agent writes it."""
    info = {"exit_status": "Submitted", "submission": patch, "mini_version": "1.15.0", **info}
    messages = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": f"Fix {instance}, {name} of {folder.name}."},
        {"role": "assistant", "content": "Look.\n\n```bash\nls\n```"},
        {"role": "user", "content": "<returncode>0</returncode>\n<output>\na.py\n</output>"},
    ]
    run = {
        "info": info,
        "messages": messages,
        "trajectory_format": "mini-swe-agent-1",
        "instance_id": instance,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.traj.json").write_text(json.dumps(run))


def report(folder: Path, instance: str, resolved: bool, **more: Any) -> Path:
    path = folder / instance / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {"success": ["t"] if resolved else [], "failure": [] if resolved else ["t"]}
    tests = {"FAIL_TO_PASS": kinds, "PASS_TO_PASS": {"success": [], "failure": []}}
    path.write_text(json.dumps({instance: {"resolved": resolved, "tests_status": tests, **more}}))
    return path


def fingerprint(home: Home) -> str:
    stage = test_outcomes_stage()
    return recipe_of(stage, home, Warehouse(home.warehouse), "batch").fingerprint
