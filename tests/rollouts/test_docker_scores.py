"""`eval_scores/<arm>` of tasks in images of their own, graded by the SWE-bench harness; skipped
where no Docker daemon can be had."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from srft_assets.agent.protocol import SUBMIT_MARK, turn
from srft_assets.rollouts.images import left_by, owner_of
from srft_assets.rollouts.stage import eval_scores_stage
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec
from srft_assets.warehouse.stage import Made
from tests.outcomes.harness.conftest import daemon
from tests.outcomes.harness.project import GOLD, WRONG, row, write_dataset
from tests.rollouts.chat_server import Said, serving
from tests.rollouts.conftest import in_this_process

__all__ = ["daemon"]

pytestmark = pytest.mark.timeout(1500)
"""The first test may install Docker and make an image."""
SUBMIT = f"git diff > /tmp/p; echo {SUBMIT_MARK} && cat /tmp/p"
PATCHES = {"demo__adder-1": GOLD, "demo__adder-2": WRONG}


class Agent(Said):
    """Submits of each task the patch that is its own."""

    def answer(self, body):
        text = json.dumps(body["messages"])
        [name] = [name for name in PATCHES if f"add is wrong: {name}" in text]
        edit = f"git apply - <<'EOF'\n{PATCHES[name]}EOF"
        self.replies = [turn("Edit.", edit), turn("Done.", SUBMIT)]
        return super().answer(body)


@pytest.fixture
def scores(home, evaluation_of, tmp_path: Path, monkeypatch, daemon) -> Callable[..., Made]:
    monkeypatch.setattr("tests.rollouts.chat_server.Said", Agent)
    monkeypatch.setenv("MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT", "1")
    told = {name: {"problem_statement": f"add is wrong: {name}"} for name in PATCHES}
    rows = write_dataset(tmp_path / "rows.jsonl", *(row(n, **m) for n, m in told.items()))

    def make(server: Said) -> Made:
        stated = {
            "tasks": str(rows),
            "temperature": 0,
            "serve": {"base_url": server.base_url},
            "grading": {"timeout": 60, "attempts": 1},
        }
        stage = eval_scores_stage(ArmSpec(name="mine", evaluation=EvaluationSpec(**stated)))
        return stage.make(play_here(evaluation_of(stage)))

    def play_here(work):
        def launch(argv, env, prefix):
            (in_this_process if "player" in argv[-2] else work.launch)(argv, env, prefix)

        return replace(work, launch=launch)

    return make


def test_the_gold_patch_is_resolved_and_a_wrong_one_is_not(home, scores):
    with serving([], names=["mine/0"]) as server:
        server.refuse = {"add is wrong: demo__adder-2": 400}
        server.heard = lambda: len(server.asked) > 3 and server.refuse.clear()
        made = scores(server)
        assert made.frame["status"].to_list() == ["resolved", "unresolved"]
        assert made.frame["grader"].to_list() == ["swebench"] * 2
        assert made.frame["approximate"].to_list() == [False, False]
        asked = len(server.asked)
        kept = {path: path.stat().st_mtime_ns for path in home.root.rglob("report.json")}
        assert kept
        assert scores(server).frame.equals(made.frame)
        assert len(server.asked) == asked
        assert kept == {path: path.stat().st_mtime_ns for path in home.root.rglob("report.json")}
    [folder] = home.runs.glob("eval/mine/0/*")
    assert left_by(owner_of(home, str(folder.relative_to(home.runs)))) == []
