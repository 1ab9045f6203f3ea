"""A real small model works on a real task: SmolLM2-135M on Flask, to its step limit.

`python -m tests.training.fetch_smollm2` fetches the model; without it this skips. It takes a few
minutes, and fetches Flask's release.
"""

import pytest

from srft_assets.warehouse.partitions import Warehouse
from tests.rollouts.test_platform import srft
from tests.training.fetch_smollm2 import FOLDER

TASK = "pallets__flask-5014"
pytestmark = [
    pytest.mark.smollm2,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not (FOLDER / "model.safetensors").is_file(),
        reason="SmolLM2-135M is not here: python -m tests.training.fetch_smollm2",
    ),
]


def test_smollm2_plays_to_its_step_limit_and_is_graded_and_labelled(sandbox, home, shared):
    rows = shared / "tasks" / "swe-bench" / "swe_bench_verified.parquet"
    words = ["rollout", "smollm2", "--tasks", str(rows), "--environment", "sdist"]
    words += ["--instance", TASK, "--model", f"local:{FOLDER}", "--prompts", "plain"]
    done = srft(home, *words, "--step-limit", "5", "--max-new-tokens", "40")
    assert done.returncode == 0, done.stderr
    labelled = srft(home, "apply", "step_verdicts/rules", "--batch", "smollm2")
    assert labelled.returncode == 0, labelled.stderr
    warehouse = Warehouse(home.warehouse)
    [run] = warehouse.read("trajectories", "smollm2").to_dicts()
    assert (run["instance_id"], run["exit_status"]) == (TASK, "LimitsExceeded")
    assert run["n_steps"] > 0
    [outcome] = warehouse.read("test_outcomes", "smollm2").to_dicts()
    assert (outcome["grader"], outcome["status"]) == ("srft-sdist", "empty_patch")
    assert warehouse.read("step_verdicts/rules", "smollm2").height == run["n_steps"]
