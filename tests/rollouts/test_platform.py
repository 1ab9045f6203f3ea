"""`srft rollout`: played, read, graded and labelled like any batch; made again, it asks nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.rollouts.chat_server import serving
from tests.rollouts.conftest import EDIT_AND_SUBMIT

ROOT = Path(__file__).resolve().parents[3]


def srft(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "SRFT_HOME": str(home.root), "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "1"}
    argv = [sys.executable, "-c", "from srft_assets.cli import main; main()", *words]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_rollout_is_a_batch_like_any_other(sandbox, home):
    with serving(EDIT_AND_SUBMIT) as server:
        words = ["rollout", "played", "--tasks", "lab:5:3", "--model", "m", "--workers", "3"]
        words += ["--base-url", server.base_url, "--attempts", "2", "--temperature", "0.5"]
        done = srft(home, *words)
        assert done.returncode == 0, done.stderr
        warehouse = Warehouse(home.warehouse)
        runs = warehouse.read("trajectories", "played")
        ended = runs["exit_status"].to_list()
        assert set(ended) == {"Submitted"}
        assert "made trajectories: played" in done.stdout
        assert "Submitted" in done.stdout
        outcomes = warehouse.read("test_outcomes", "played")
        assert outcomes["trajectory_id"].to_list() == runs["trajectory_id"].to_list()
        assert set(outcomes["status"]) == {"unresolved"}
        calls = len(server.asked)
        again = srft(home, *words)
        assert again.returncode == 0, again.stderr
        assert "Nothing to make" in again.stdout
        assert len(server.asked) == calls
    labelled = srft(home, "apply", "step_verdicts/rules", "--batch", "played")
    assert labelled.returncode == 0, labelled.stderr
    verdicts = warehouse.read("step_verdicts/rules", "played")
    assert verdicts.height == runs["n_steps"].sum()


def test_crashed_runs_are_tried_again_by_the_same_command(sandbox, home):
    with serving(EDIT_AND_SUBMIT) as server:
        words = ["rollout", "played", "--tasks", "lab:5:2", "--model", "m", "--seed", "1"]
        words += ["--base-url", server.base_url, "--workers", "2"]
        server.refuse = {json.dumps(EDIT_AND_SUBMIT[0])[1:-1]: 400}
        done = srft(home, *words)
        assert done.returncode == 0, done.stderr
        assert "BadRequestError" in done.stdout
        runs = Warehouse(home.warehouse).read("trajectories", "played")
        assert set(runs["exit_status"]) == {"BadRequestError"}
        server.refuse = {}
        again = srft(home, *words)
        assert "BadRequestError" not in again.stdout
        runs = Warehouse(home.warehouse).read("trajectories", "played")
        assert set(runs["exit_status"]) == {"Submitted"}


def test_a_wrong_call_says_what_there_is(home):
    done = srft(home, "rollout", "b", "--tasks", "lab:1:1", "--model", "m", "--prompts", "long")
    assert done.returncode == 2
    assert "there are: short, plain, swebench" in done.stderr
    done = srft(home, "rollout", "b", "--tasks", "lab:1:1", "--model", "m", "--price", "free")
    assert done.returncode == 2
    assert "PROMPT,ANSWER" in done.stderr
