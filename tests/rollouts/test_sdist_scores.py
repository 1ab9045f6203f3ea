"""Two arms scored on five real SWE-bench instances without Docker, as the official harness had it.

A server submits patches that were recorded: of the arm `agent` those of mini-swe-agent, whose
official reports lie beside them, of the arm `gold` the reference patches. `make test-sdists`
fetches Django's release from the package index.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.home import Home
from srft_assets.outcomes.task import read_dataset
from srft_assets.rollouts.stage import eval_scores_stage
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.warehouse.making import make_partition, recipe_of
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import Recipe
from tests.rollouts.chat_server import Said, serving
from tests.rollouts.conftest import work_of
from tests.rollouts.test_platform import srft
from tests.warehouse.filled import put

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("SRFT_TEST_SDISTS"),
        reason="it fetches and tests releases for minutes: make test-sdists",
    ),
]

ARMS = ("agent", "gold")
INSTANCES = [f"django__django-{n}" for n in (16493, 16502, 16527, 16569, 16667)]
"""All of Django 5.0, so that one release and one environment do."""


class Agent(Said):
    """Submits of each task the patch of the arm that it is asked as."""

    patches: dict[str, dict[str, str]]
    """Arm → words of the task → patch."""

    def answer(self, body):
        text = json.dumps(body["messages"])
        arm = body["model"].partition("/")[0]
        [patch] = [patch for words, patch in self.patches[arm].items() if words in text]
        edit = f"git apply - <<'EOF'\n{patch.rstrip()}\n\nEOF"
        self.replies = [turn("Edit.", edit), turn("Done.", SUBMIT)]
        return super().answer(body)


@pytest.fixture(scope="module")
def official(shared: Path) -> dict[str, dict[str, bool]]:
    """Arm → instance → whether the official harness found it resolved."""
    logs = shared / "trajectories" / "mini-swe-agent-v1" / "logs"
    found = {}
    for name in INSTANCES:
        report = json.loads((logs / name / "report.json").read_bytes())
        found[name] = report.get(name, report)["resolved"]
    return {"agent": found, "gold": dict.fromkeys(INSTANCES, True)}


@pytest.fixture(scope="module")
def scored(sandbox, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A platform with the scores of both arms."""
    home = Home(tmp_path_factory.mktemp("sdists") / "home")
    rows = shared / "tasks" / "swe-bench" / "swe_bench_verified.parquet"
    recorded = json.loads((shared / "trajectories/mini-swe-agent-v1/preds.json").read_bytes())
    tasks = read_dataset(str(rows), INSTANCES)
    words = {one: json.dumps(task.problem_statement)[1:-1] for one, task in tasks.items()}
    patches = {
        "agent": {words[name]: recorded[name]["model_patch"] for name in INSTANCES},
        "gold": {words[name]: tasks[name].patch for name in INSTANCES},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.rollouts.chat_server.Said", Agent)
        with serving([], names=[f"{arm}/0" for arm in ARMS]) as server:
            server.patches = patches
            for arm in ARMS:
                score(home, arm, rows, server.base_url)
    return home


def score(home: Home, arm: str, rows: Path, base_url: str) -> None:
    """Make `eval_scores/<arm>/0`, of a checkpoint that nobody trained."""
    blank = dict.fromkeys(CHECKPOINTS)
    frame = pl.DataFrame([{**blank, "path": str(home.root)}], schema=CHECKPOINTS)
    put(Warehouse(home.warehouse), f"checkpoints/{arm}", "0", frame, recipe=Recipe())
    stated = {
        "tasks": str(rows),
        "instances": INSTANCES,
        "environment": "sdist",
        "temperature": 0,
        "agent": {"prompts": "short"},
        "serve": {"base_url": base_url},
    }
    stage = eval_scores_stage(ArmSpec(name=arm, evaluation=EvaluationSpec.model_validate(stated)))
    work = work_of(home, "0")
    recipe = recipe_of(stage, home, work.warehouse, "0")
    make_partition(stage, replace(work, recipe=recipe))


@pytest.mark.parametrize("arm", ARMS)
def test_outcomes_are_the_official_ones(scored: Home, official, arm):
    rows = Warehouse(scored.warehouse).read(f"eval_scores/{arm}", "0")
    assert dict(zip(rows["instance_id"], rows["resolved"], strict=True)) == official[arm]
    assert set(rows["grader"]) == {"srft-sdist"} and rows["approximate"].all()


def test_the_arms_are_compared_by_instance(scored: Home, official):
    done = srft(scored, "compare", *ARMS, "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    solved = sum(official["agent"].values())
    rates = {row["arm"]: (row["resolved"], row["scored"]) for row in told["arms"]}
    assert rates == {"agent": (solved, 5), "gold": (5, 5)}
    [pair] = told["pairs"]
    assert (pair["tasks"], pair["pairs"], pair["test"]) == (5, 5, "mcnemar")
    assert abs(pair["difference"]) == pytest.approx((5 - solved) / 5)
