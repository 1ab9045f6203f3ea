"""Every figure that a benchmark names is measured, also where little is generated."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from srft_assets.sandbox import Sandbox
from srft_assets.warehouse.statements import sql_files

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def printed(*words: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", *words]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_scale_measures_every_stage_and_named_query() -> None:
    told = printed("benchmarks.scale", "--runs", "40", "--rounds", "1")
    assert told["masks"]["rows"] == 40
    queries = told.pop("queries")
    assert set(queries) == {file.name for file in sql_files("queries")}
    assert all(queries[name]["rows"] for name in ("repeated_actions", "mistakes", "longest_runs"))
    assert told.pop("runs") == 40
    for name, figures in {**told, **queries}.items():
        assert figures["seconds"] > 0 and figures["peak_mib"] > 0, name


def test_training_is_measured_beside_trl() -> None:
    runs, tokenizer = CHECKOUT / "tests/golden/runs", CHECKOUT / "srft_assets/lab/base_weights"
    told = printed("benchmarks.training", str(tokenizer), str(runs), "--rounds", "1")
    assert told["rows"] > 0
    assert set(told["tokens_per_second"]) == {"ours", "packed", "padded"}
    assert all(rate > 0 for rate in told["tokens_per_second"].values())
    assert told["padding_share"]["ours"] == 0


def test_warehouse_writes_and_reads_partitions() -> None:
    told = printed("benchmarks.warehouse", "--seconds", "0.1", "--partitions", "4", "--rounds", "1")
    assert told["writers_4_per_second"] > 0 and told["view_ms"] > 0


def test_rollouts_say_the_same_with_what_was_read_kept(sandbox: Sandbox) -> None:
    words = ("--tasks", "2", "--step-limit", "3", "--chats", "2", "--turns", "2")
    told = printed("benchmarks.rollouts", *words)
    assert told["generated_tasks"]["model_calls"] == 6
    for name in ("generation", "long_chats"):
        assert told[name]["answers_that_differ"] == 0
        assert told[name]["tokens"] > 0
        assert told[name]["tokens_per_s"] > 0 and told[name]["tokens_per_s_of_transformers"] > 0
